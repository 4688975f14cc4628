-- Removes views whose definition moved to another name or folder of sql/; the files of sql/ make what they still define.

-- Up Migration

-- near_matches and dashboard_low_weights read dashboard_merchant_tops, which is merchant_tops now; sql/ makes both again
drop view if exists bankpulse.near_matches;
drop view if exists bankpulse.dashboard_low_weights;
drop view if exists bankpulse.dashboard_merchant_tops;
drop view if exists bankpulse.dashboard_chunk_detections;

-- Down Migration

-- nothing: sql/ defines these views
