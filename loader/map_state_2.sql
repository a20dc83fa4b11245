-- state.db, version 2: what a key's write was about to make of it. Written by sync/apply_sent.c.
create table sent(                          -- its answer may never come: what is found there then is ours
  key_digest blob primary key,
  row        blob not null,                 -- the merged row, packed
  flags      text not null,                 -- per field of the row: 0 = not written, 1 = to F&O, 2 = to Dataverse, 3 = to both
  made       integer not null               -- the record was to be made: 0 = no, 1 = in F&O, 2 = in Dataverse
) without rowid;
create trigger sent_settled after delete on pending begin
  delete from sent where key_digest = old.key_digest;
end;
