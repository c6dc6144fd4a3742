-- Most versions of a host stay on its page, where no index learns of them: a page that is filled to a fifth with hosts has
-- room for seven versions of each before one has to go elsewhere, at half there was room for two. Under a snapshot that stays
-- open each of the others is an entry that every later claim of the host walks past.
alter table host set (fillfactor = 20);
