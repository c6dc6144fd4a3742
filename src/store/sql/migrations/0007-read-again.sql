-- Sitemaps that were read before a start URL had moved are read again, since its scope reaches more of what they name.

-- The request is to be read once more, whatever its depth is.
alter table shorter_path add column reads_again boolean not null default false;

-- A start URL of the run has moved: claims look at shorter_path.
alter table run add column has_moved boolean not null default false;
