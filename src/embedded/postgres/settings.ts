import { totalmem } from 'node:os';

const MEBIBYTE = 1024 * 1024;

/**
 * In MiB: a quarter of the memory of the machine or the container, as is usual for PostgreSQL, but at most 2,048. The
 * server takes it only as the data grows.
 */
function sharedBuffers(): number {
  const limit = process.constrainedMemory() || Infinity; // 0 where nothing limits it
  const quarter = Math.floor(Math.min(totalmem(), limit) / 4 / MEBIBYTE);
  return Math.min(Math.max(quarter, 128), 2048);
}

/** Passed on the command line, which overrides the configuration files in the data directory. */
export const settings: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '60',
  shared_buffers: `${sharedBuffers()}MB`,
  max_wal_size: '4GB',
  min_wal_size: '256MB',
  // A chunk touches pages all over a large state, and the first change of a page after a checkpoint logs all of it.
  // Compression takes 60 microseconds a page and saves two fifths of the bytes.
  wal_compression: 'off',
  checkpoint_timeout: '15min',
  jit: 'off', // compiling costs more than it saves on queries of a few milliseconds
  timezone: 'UTC',
  log_timezone: 'UTC',
  // Errors stay out of the log, because they quote rows: values in the message, the line of a COPY in the context,
  // parameters in the statement. The client gets them; the log keeps starts, stops, crashes and refused connections.
  log_min_messages: 'log',
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
  log_parameter_max_length: '0',
  log_parameter_max_length_on_error: '0',
};
