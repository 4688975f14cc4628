-- A detection names a run that is there: detection_file_rows joins it, and would leave out a detection without one.
-- Keys are collate "C" in the outbox, too. Every index says what it is for.

-- Up Migration

-- reads the column whose type changes; sql/ makes it again
drop view if exists bankpulse.dashboard_files;

alter table bankpulse.detection_batches alter column object_key type text collate "C";
alter table bankpulse.detections add foreign key (run_id) references bankpulse.runs;

comment on index bankpulse.detections_detection_id is 'Finds the newest detections.';
comment on index bankpulse.detections_batch_no is 'Finds the rows of a file in their order, and what is in no batch yet.';
comment on index bankpulse.detection_batches_not_exported is 'Finds the files that are still to be written.';

-- Down Migration

drop view if exists bankpulse.dashboard_files;

alter table bankpulse.detections drop constraint detections_run_id_fkey;
alter table bankpulse.detection_batches alter column object_key type text collate "default";
