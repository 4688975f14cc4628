-- chunks.listed_etag: in some stores a listing shows other ETags than the objects themselves have. Then listings are
-- compared with listings. The mark of a weak ETag is no longer part of the ledger's.

-- Up Migration

alter table bankpulse.chunks add column listed_etag text;
comment on column bankpulse.chunks.listed_etag is
  'ETag that listings show for this object, where that is another one; null while they agree.';
update bankpulse.chunks set etag = substr(etag, 4) where etag like 'W/"%';

-- Down Migration

alter table bankpulse.chunks drop column listed_etag;
