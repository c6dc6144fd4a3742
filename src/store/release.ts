// Which release of Trawler this program is.
import packageFile from '../../package.json' with { type: 'json' };

export const RELEASE: string = packageFile.version;
