import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { output } from 'zod';
import { readDatabaseUrl } from './environment/database-url.js';
import { environmentFileWarnings, readEnvironmentFiles } from './environment/env-file.js';
import { isOfAnother, misspeltNames } from './environment/likely-names.js';
import {
  LIBRARY_NAMES,
  faultsOfDatabase,
  faultsOfStore,
  namesBesideUrl,
  namesOfDatabase,
  namesOfStore,
  unfollowedNames,
} from './environment/named-services.js';
import { z } from './environment/zod.js';
import { UsageError } from './errors.js';
import { readHostPattern } from './text/hosts.js';

/** The project's folder; relative paths in the configuration are relative to it. */
export const projectDir = dirname(dirname(fileURLToPath(import.meta.url)));

/** How the names of detection files begin under DETECTIONS_PREFIX; sql/07_files/detection_file_key.sql makes them. */
export const DETECTION_FILE = 'detections-';

const packageJson = readFileSync(join(projectDir, 'package.json'), 'utf8');

/** The version of BankPulse, as package.json has it. */
export const { version } = JSON.parse(packageJson) as { version: string };

/** Files that `npm start` and `npm run produce` generate when both are missing. */
export const DEFAULT_TRANSACTIONS_CSV = 'data/transactions.csv';
export const DEFAULT_IMPORTANCE_CSV = 'data/CustomerImportance.csv';

const text = z.string();
const path = (fallback: string) => text.default(fallback).transform((value) => resolve(projectDir, value));
const integer = (fallback: number, least: number, most = Number.MAX_SAFE_INTEGER) =>
  text
    .default(String(fallback))
    .refine((value) => /^\d{1,16}$/.test(value) && Number(value) >= least && Number(value) <= most, {
      error:
        most === Number.MAX_SAFE_INTEGER
          ? `must be a whole number, ${least} or more`
          : `must be a whole number from ${least} to ${most}`,
    })
    .transform(Number);
const portOrNone = text
  .refine((value) => /^\d{1,5}$/.test(value) && Number(value) <= 65535, {
    error: 'must be a whole number from 0 to 65535',
  })
  .transform(Number);
const flag = text
  .refine((value) => /^(true|false)$/i.test(value), { error: 'must be true or false' })
  .transform((value) => value.toLowerCase() === 'true');
const prefix = (fallback: string) =>
  text
    .default(fallback)
    .refine((value) => Buffer.byteLength(value) <= 900, { error: 'must be at most 900 bytes' })
    .refine((value) => !value.startsWith('/'), { error: 'must not begin with /' });

const hosts = text.default('').transform((value, context) =>
  value.split(',').flatMap((entry, index) => {
    if (entry.trim() === '') return [];
    const pattern = readHostPattern(entry.trim());
    const message = `must be hosts, such as bank.example,localhost:9090,*.example.com,[::1]: number ${index + 1} is none`;
    if (pattern === undefined) context.addIssue({ code: 'custom', message });
    return pattern ?? [];
  }),
);
const port = text
  .refine((value) => /^\d{1,5}$/.test(value) && Number(value) >= 1 && Number(value) <= 65535, {
    error: 'must be a whole number from 1 to 65535',
  })
  .transform(Number);
/** A folder of sockets may hold anything. */
const host = text.refine((value) => value.startsWith('/') || isIP(value) !== 0 || !/[\s:/,@]/.test(value), {
  error: 'must be the name or address of one server, without port, or the folder of its socket',
});

const httpUrl = text.refine((value) => /^https?:\/\//i.test(value) && URL.canParse(value), {
  error: 'must be a URL that begins with http:// or https://',
});

function isTimeZone(name: string): boolean {
  try {
    // newer versions of Node take offsets, too, which PostgreSQL reads the other way round
    new Intl.DateTimeFormat('en', { timeZone: name });
    return /^[a-z]/i.test(name);
  } catch {
    return false;
  }
}

/** Every variable that BankPulse reads, by its name. The AWS SDK reads its standard variables by itself. */
const variables = {
  S3_BUCKET: text
    .refine((value) => !/^arn:[\w-]+:s3:::/.test(value) && /^[^\s/]+$|^arn:\S+$/.test(value), {
      error: 'must be the name of a bucket, or the ARN of an access point',
    })
    .optional(),
  S3_FORCE_PATH_STYLE: flag.optional(),
  S3_CONDITIONAL_PUTS: flag.default(true),
  S3_SERVER_SIDE_ENCRYPTION: z
    .enum(['AES256', 'aws:kms', 'aws:kms:dsse'], { error: 'must be AES256, aws:kms or aws:kms:dsse' })
    .optional(),
  S3_SSE_KMS_KEY_ID: text.optional(),
  AWS_REGION: text
    .refine((value) => /^[a-z\d]([a-z\d-]{0,61}[a-z\d])?$/i.test(value), {
      error: 'must be the code of a region, such as eu-central-1',
    })
    .optional(),
  AWS_ENDPOINT_URL_S3: httpUrl.optional(),
  AWS_ENDPOINT_URL: httpUrl.optional(),
  DATABASE_URL: text
    .superRefine((value, context) => {
      for (const message of readDatabaseUrl(value).problems) context.addIssue({ code: 'custom', message });
    })
    .optional(),
  DB_HOST: host.optional(),
  DB_PORT: port.optional(),
  DB_NAME: text.optional(),
  DB_USER: text.optional(),
  DB_PASSWORD: text.optional(),
  PGHOST: host.optional(),
  PGPORT: port.optional(),
  PGDATABASE: text.optional(),
  PGSSLMODE: z
    .enum(['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'], {
      error:
        'must be disable, no-verify or verify-full, or one of allow, prefer, require and verify-ca, which verify, too',
    })
    .optional(),
  TRANSACTIONS_CSV: path(DEFAULT_TRANSACTIONS_CSV),
  IMPORTANCE_CSV: path(DEFAULT_IMPORTANCE_CSV),
  CHUNK_ROWS: integer(10_000, 1, 10_000_000),
  CHUNK_INTERVAL_MS: integer(1000, 0, 86_400_000),
  BATCH_ROWS: integer(50, 1, 1_000_000),
  FLUSH_AFTER_MS: integer(5000, 0, 86_400_000),
  POLL_INTERVAL_MS: integer(250, 10, 3_600_000),
  FULL_LIST_MS: integer(30_000, 100, 86_400_000),
  CHUNK_ORDER: z.enum(['number', 'name'], { error: 'must be number or name' }).default('number'),
  GAP_TIMEOUT_MS: integer(10_000, 0, 86_400_000),
  MAX_CHUNK_BYTES: integer(1_073_741_824, 1),
  PREFETCH_BYTES: integer(33_554_432, 0),
  CHUNKS_PREFIX: prefix('bankpulse/chunks/'),
  DETECTIONS_PREFIX: prefix('bankpulse/detections/'),
  BANKPULSE_HOME: path('.bankpulse'),
  DASHBOARD_HOST: text.default('127.0.0.1'),
  DASHBOARD_PORT: integer(8080, 0, 65535),
  DASHBOARD_ALLOWED_HOSTS: hosts,
  METRICS_HOST: text.default('127.0.0.1'),
  METRICS_PORT: portOrNone.optional(),
  TIME_ZONE: text
    .refine(isTimeZone, { error: 'must be the IANA name of a time zone, such as Asia/Kolkata or UTC' })
    .optional(),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
      error: 'must be one of fatal, error, warn, info, debug, trace, silent',
    })
    .default('info'),
};

type Variables = typeof variables;
export type Settings = { [Name in keyof Variables]: output<Variables[Name]> };
export type SettingName = keyof Settings;

export const settingNames = Object.keys(variables);

/** What the environment says and BankPulse does not follow, one line each: misspelt names, unread lines of `.env`. */
export function environmentWarnings(): string[] {
  const known = [...settingNames, ...LIBRARY_NAMES];
  return [
    ...environmentFileWarnings(projectDir, process.env),
    ...namesBesideUrl(process.env).map((name) => `${name} is set and has no effect beside DATABASE_URL`),
    ...unfollowedNames(process.env).map((name) => `${name} is set and not followed: say it in DATABASE_URL`),
    ...misspeltNames(process.env, known).map(
      ({ name, likely }) => `${name} is set and has no effect: is ${likely} meant?`,
    ),
  ];
}

/** Whether database and object store both are the embedded ones, whichever of them a command uses. */
export function isAllEmbedded(): boolean {
  return namesOfDatabase(process.env).length === 0 && namesOfStore(process.env).length === 0;
}

/** Contradictions between settings that are valid by themselves; `settings` has only those that were read and valid. */
function contradictions(settings: Partial<Settings>): string[] {
  const problems: string[] = [];
  const { CHUNKS_PREFIX: chunks, DETECTIONS_PREFIX: detections, S3_BUCKET: bucket } = settings;
  // Y would read its own files as chunks.
  if (
    chunks !== undefined &&
    detections !== undefined &&
    `${detections}${DETECTION_FILE}`.startsWith(chunks)
  ) {
    problems.push('DETECTIONS_PREFIX must not lie inside CHUNKS_PREFIX');
  }
  const { DASHBOARD_PORT, METRICS_PORT } = settings;
  if (METRICS_PORT !== undefined && METRICS_PORT > 0 && METRICS_PORT === DASHBOARD_PORT)
    problems.push('METRICS_PORT must be another port than DASHBOARD_PORT, or not be set');
  const endpoint = settings.AWS_ENDPOINT_URL_S3 ?? settings.AWS_ENDPOINT_URL;
  const isInPath = settings.S3_FORCE_PATH_STYLE ?? endpoint !== undefined;
  if (bucket?.startsWith('arn:') && (isInPath || (endpoint && isIP(new URL(endpoint).hostname)))) {
    problems.push(
      'S3_BUCKET is an ARN, which becomes part of the host name: that needs S3_FORCE_PATH_STYLE=false, ' +
        'and an endpoint, if any, with a name instead of an address',
    );
  }
  if (settings.S3_SSE_KMS_KEY_ID !== undefined && !settings.S3_SERVER_SIDE_ENCRYPTION?.startsWith('aws:kms'))
    problems.push('S3_SSE_KMS_KEY_ID needs S3_SERVER_SIDE_ENCRYPTION=aws:kms');
  return problems;
}

/** A setting as it is here: its text, if it is set; its value, unless it has problems. */
export interface FoundSetting {
  name: SettingName;
  text: string | undefined;
  value: unknown;
  problems: string[];
}

function findSetting(name: SettingName): FoundSetting {
  const given = process.env[name] || undefined;
  const text = isOfAnother(name, given) ? undefined : given;
  const result = variables[name].safeParse(text);
  return {
    name,
    text,
    value: result.data,
    problems: result.error?.issues.map((issue) => `${name} ${issue.message}`) ?? [],
  };
}

/** The faults of settings that are valid by themselves. */
function faultsTogether(found: readonly FoundSetting[]): string[] {
  const valid = found.filter(({ problems }) => problems.length === 0);
  const isAsked = (name: SettingName) => found.some((setting) => setting.name === name);
  return [
    ...contradictions(Object.fromEntries(valid.map(({ name, value }) => [name, value]))),
    ...(isAsked('DB_HOST') ? faultsOfDatabase(process.env) : []),
    ...(isAsked('S3_BUCKET') ? faultsOfStore(process.env) : []),
  ];
}

/** Every setting, and what is wrong with them together. @throws UsageError if `.env` cannot be read. */
export function inspectSettings(): { settings: FoundSetting[]; together: string[] } {
  readEnvironmentFiles(projectDir, process.env);
  const settings = (Object.keys(variables) as SettingName[]).map(findSetting);
  return { settings, together: faultsTogether(settings) };
}

/**
 * Reads and checks the settings of these names, and no others.
 * @throws UsageError that names every problem at once.
 */
export function loadSettings<Name extends SettingName>(names: readonly Name[]): Pick<Settings, Name> {
  readEnvironmentFiles(projectDir, process.env);
  const found = [...new Set<SettingName>([...names, 'TIME_ZONE'])].map(findSetting);
  const problems = [...found.flatMap((setting) => setting.problems), ...faultsTogether(found)];
  if (problems.length > 0) throw new UsageError([...problems, ...environmentWarnings()]);
  const valueOf = (name: SettingName) => found.find((setting) => setting.name === name)?.value;
  // the times of the log on a terminal
  if (valueOf('TIME_ZONE') !== undefined) process.env.TZ = String(valueOf('TIME_ZONE'));
  return Object.fromEntries(names.map((name) => [name, valueOf(name)])) as Pick<Settings, Name>;
}

/** The settings of a command that uses the database. */
export const databaseSettings = [
  'DATABASE_URL',
  'DB_HOST',
  'DB_PORT',
  'DB_NAME',
  'DB_USER',
  'DB_PASSWORD',
  'PGHOST',
  'PGPORT',
  'PGDATABASE',
  'PGSSLMODE',
  'BANKPULSE_HOME',
] as const;

/** The settings of a command that uses the object store. */
export const objectStoreSettings = [
  'S3_BUCKET',
  'S3_FORCE_PATH_STYLE',
  'S3_CONDITIONAL_PUTS',
  'S3_SERVER_SIDE_ENCRYPTION',
  'S3_SSE_KMS_KEY_ID',
  'AWS_REGION',
  'AWS_ENDPOINT_URL_S3',
  'AWS_ENDPOINT_URL',
  'BANKPULSE_HOME',
] as const;

/** The settings of mechanism X, besides those of the object store. */
export const producerSettings = [
  'TRANSACTIONS_CSV',
  'CHUNK_ROWS',
  'CHUNK_INTERVAL_MS',
  'CHUNKS_PREFIX',
] as const;

/** The settings of mechanism Y, besides those of the database and the object store. */
export const detectorSettings = [
  'IMPORTANCE_CSV',
  'BATCH_ROWS',
  'FLUSH_AFTER_MS',
  'POLL_INTERVAL_MS',
  'FULL_LIST_MS',
  'CHUNK_ORDER',
  'GAP_TIMEOUT_MS',
  'MAX_CHUNK_BYTES',
  'PREFETCH_BYTES',
  'CHUNKS_PREFIX',
  'DETECTIONS_PREFIX',
] as const;

/** Where metrics and health are served, if not beside the dashboard. */
export const metricsSettings = ['METRICS_HOST', 'METRICS_PORT'] as const;

/** The settings of the dashboard, besides those of the database. */
export const dashboardSettings = [
  'DASHBOARD_HOST',
  'DASHBOARD_PORT',
  'DASHBOARD_ALLOWED_HOSTS',
  'TIME_ZONE',
] as const;

export type DatabaseSettings = Pick<Settings, (typeof databaseSettings)[number]>;
export type ObjectStoreSettings = Pick<Settings, (typeof objectStoreSettings)[number]>;
export type ProducerSettings = Pick<Settings, (typeof producerSettings)[number]>;
/** Whether chunks are applied in the order of the numbers in their keys, or of the keys themselves. */
export type ChunkOrder = Settings['CHUNK_ORDER'];
export type DetectorSettings = Pick<Settings, (typeof detectorSettings)[number]>;
export type MetricsSettings = Pick<Settings, (typeof metricsSettings)[number]>;
export type DashboardSettings = Pick<Settings, (typeof dashboardSettings)[number]>;
