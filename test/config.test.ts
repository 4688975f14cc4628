import { join } from 'node:path';
import { expect } from 'chai';
import {
  dashboardSettings,
  databaseSettings,
  detectorSettings,
  loadSettings,
  metricsSettings,
  objectStoreSettings,
  producerSettings,
  projectDir,
  type SettingName,
} from '../src/config.js';
import { UsageError } from '../src/errors.js';

const all = [
  ...databaseSettings,
  ...objectStoreSettings,
  ...producerSettings,
  ...detectorSettings,
  ...dashboardSettings,
  ...metricsSettings,
  'LOG_LEVEL',
] as const;

describe('loadSettings', () => {
  let environment: NodeJS.ProcessEnv;
  beforeEach(() => {
    environment = { ...process.env };
    for (const name of all) delete process.env[name];
  });
  afterEach(() => {
    for (const name of all) delete process.env[name];
    Object.assign(process.env, environment);
  });

  /** The faults it finds in this environment. */
  function faults(env: Record<string, string>, names: readonly SettingName[] = all): readonly string[] {
    Object.assign(process.env, env);
    try {
      loadSettings(names);
    } catch (error) {
      if (error instanceof UsageError) return error.problems;
      throw error;
    } finally {
      for (const name of Object.keys(env)) delete process.env[name];
    }
    return [];
  }

  it('has the defaults of the interface', () => {
    const settings = loadSettings(all);
    expect(settings).to.deep.include({
      CHUNK_ROWS: 10_000,
      CHUNK_INTERVAL_MS: 1000,
      BATCH_ROWS: 50,
      FLUSH_AFTER_MS: 5000,
      POLL_INTERVAL_MS: 250,
      FULL_LIST_MS: 30_000,
      CHUNK_ORDER: 'number',
      GAP_TIMEOUT_MS: 10_000,
      MAX_CHUNK_BYTES: 1_073_741_824,
      PREFETCH_BYTES: 33_554_432,
      CHUNKS_PREFIX: 'bankpulse/chunks/',
      DETECTIONS_PREFIX: 'bankpulse/detections/',
      DASHBOARD_HOST: '127.0.0.1',
      DASHBOARD_PORT: 8080,
      DASHBOARD_ALLOWED_HOSTS: [],
      METRICS_HOST: '127.0.0.1',
      METRICS_PORT: undefined,
      LOG_LEVEL: 'info',
      TRANSACTIONS_CSV: join(projectDir, 'data', 'transactions.csv'),
      IMPORTANCE_CSV: join(projectDir, 'data', 'CustomerImportance.csv'),
      BANKPULSE_HOME: join(projectDir, '.bankpulse'),
    });
    for (const name of [
      'DATABASE_URL',
      'DB_HOST',
      'DB_PORT',
      'DB_NAME',
      'DB_USER',
      'DB_PASSWORD',
      'S3_BUCKET',
      'S3_FORCE_PATH_STYLE',
      'AWS_REGION',
      'AWS_ENDPOINT_URL_S3',
      'AWS_ENDPOINT_URL',
    ] as const)
      expect(settings[name], name).to.equal(undefined);
  });

  it('takes what is set, and what is set to nothing for unset', () => {
    Object.assign(process.env, {
      CHUNK_ROWS: '7',
      BATCH_ROWS: '',
      DB_HOST: '',
      S3_BUCKET: 'b',
      S3_FORCE_PATH_STYLE: 'False',
      IMPORTANCE_CSV: '/elsewhere/importance.csv.gz',
      TRANSACTIONS_CSV: 'here.csv',
    });
    expect(loadSettings(all)).to.deep.include({
      CHUNK_ROWS: 7,
      BATCH_ROWS: 50,
      S3_FORCE_PATH_STYLE: false,
      IMPORTANCE_CSV: '/elsewhere/importance.csv.gz',
      TRANSACTIONS_CSV: join(projectDir, 'here.csv'),
    });
    expect(loadSettings(['DB_HOST']).DB_HOST).to.equal(undefined);
  });

  it('reads the names of hosts in one spelling, and says which entry is none', () => {
    process.env.DASHBOARD_ALLOWED_HOSTS =
      ' Bank.Example. , [0:0::1]:8080,*.inner.example,, *,bücher.example:1';
    expect(loadSettings(['DASHBOARD_ALLOWED_HOSTS']).DASHBOARD_ALLOWED_HOSTS).to.deep.equal([
      { host: 'bank.example', port: undefined },
      { host: '[::1]', port: 8080 },
      { host: '*.inner.example', port: undefined },
      { host: '*', port: undefined },
      { host: 'xn--bcher-kva.example', port: 1 },
    ]);
    for (const entry of [
      'http://bank.example',
      'bank.example/',
      'a b',
      'a:b',
      'a:70000',
      'b*.example',
      '*.*',
      ':80',
      '[x]',
    ])
      expect(faults({ DASHBOARD_ALLOWED_HOSTS: `good.example,${entry}` }).join(), entry).to.match(
        /^DASHBOARD_ALLOWED_HOSTS must be hosts, such as .*: number 2 is none$/,
      );
  });

  it('takes a port for the metrics that the dashboard does not have', () => {
    expect(faults({ METRICS_PORT: '9464' })).to.deep.equal([]);
    expect(faults({ METRICS_PORT: '0', DASHBOARD_PORT: '0' })).to.deep.equal([]);
    expect(faults({ METRICS_PORT: '65536' })).to.deep.equal([
      'METRICS_PORT must be a whole number from 0 to 65535',
    ]);
    expect(faults({ METRICS_PORT: '8080' })).to.deep.equal([
      'METRICS_PORT must be another port than DASHBOARD_PORT, or not be set',
    ]);
  });

  it('takes the settings of stores of their own kind', () => {
    expect(loadSettings(['S3_CONDITIONAL_PUTS', 'S3_SERVER_SIDE_ENCRYPTION'])).to.deep.equal({
      S3_CONDITIONAL_PUTS: true,
      S3_SERVER_SIDE_ENCRYPTION: undefined,
    });
    const kms = { S3_SERVER_SIDE_ENCRYPTION: 'aws:kms', S3_SSE_KMS_KEY_ID: 'key', S3_BUCKET: 'bucket' };
    expect(faults({ ...kms, S3_CONDITIONAL_PUTS: 'FALSE' })).to.deep.equal([]);
    expect(faults({ ...kms, S3_SERVER_SIDE_ENCRYPTION: 'AES256' })).to.deep.equal([
      'S3_SSE_KMS_KEY_ID needs S3_SERVER_SIDE_ENCRYPTION=aws:kms',
    ]);
    expect(faults({ ...kms, S3_SERVER_SIDE_ENCRYPTION: 'aes' })[0]).to.match(/must be AES256, aws:kms or/);
  });

  it('takes the ports that Kubernetes sets for services of these names for unset', () => {
    Object.assign(process.env, { DASHBOARD_PORT: 'tcp://10.0.0.1:8080', DB_PORT: 'tcp://10.0.0.1:5432' });
    expect(loadSettings(all)).to.include({ DASHBOARD_PORT: 8080, DB_PORT: undefined });
  });

  it('takes the name of a time zone, and no offset', () => {
    for (const name of ['Asia/Kolkata', 'UTC', 'europe/berlin'])
      expect(faults({ TIME_ZONE: name })).to.deep.equal([]);
    delete process.env.TZ;
    for (const name of ['+05:30', 'IST5', 'Mars/Olympus'])
      expect(faults({ TIME_ZONE: name })).to.deep.equal([
        'TIME_ZONE must be the IANA name of a time zone, such as Asia/Kolkata or UTC',
      ]);
  });

  it('names every fault at once', () => {
    const found = faults({
      CHUNK_ROWS: '0',
      BATCH_ROWS: '1.5',
      GAP_TIMEOUT_MS: '-1',
      DB_PORT: '65536',
      POLL_INTERVAL_MS: '1e3',
      PREFETCH_BYTES: '99999999999999999999',
      S3_FORCE_PATH_STYLE: 'yes',
      S3_BUCKET: 'arn:aws:s3:::bucket',
      AWS_REGION: 'Asia Pacific (Mumbai)',
      DATABASE_URL: 'mysql://localhost/x',
      AWS_ENDPOINT_URL_S3: 'localhost',
      LOG_LEVEL: 'loud',
      CHUNKS_PREFIX: '/chunks/',
    });
    expect([...new Set(found.map((fault) => fault.split(' ')[0]))]).to.have.members([
      'CHUNK_ROWS',
      'BATCH_ROWS',
      'GAP_TIMEOUT_MS',
      'DB_PORT',
      'POLL_INTERVAL_MS',
      'PREFETCH_BYTES',
      'S3_FORCE_PATH_STYLE',
      'S3_BUCKET',
      'AWS_REGION',
      'DATABASE_URL',
      'AWS_ENDPOINT_URL_S3',
      'LOG_LEVEL',
      'CHUNKS_PREFIX',
    ]);
    expect(found).to.include('CHUNK_ROWS must be a whole number from 1 to 10000000');
  });

  it('takes the names of buckets and regions that stores have', () => {
    for (const S3_BUCKET of [
      'b',
      'my.bucket-1',
      'tenant:bucket',
      'arn:aws:s3:eu-west-1:123456789012:accesspoint/mine',
      'arn:aws:s3::123456789012:accesspoint:mfzwi23gnjvgw.mrap',
    ])
      expect(faults({ S3_BUCKET }), S3_BUCKET).to.deep.equal([]);
    for (const AWS_REGION of ['us-gov-west-1', 'cn-north-1', 'auto', 'default', 'us-east-1'])
      expect(faults({ AWS_REGION }), AWS_REGION).to.deep.equal([]);
    for (const S3_BUCKET of [
      'my bucket',
      'bucket/folder',
      'arn:aws:s3:::bucket',
      'arn:aws:s3:::bucket/folder',
    ])
      expect(faults({ S3_BUCKET }), S3_BUCKET).to.have.length(1);
  });

  it('takes the ARN of an access point only where it can be part of the host name', () => {
    const S3_BUCKET = 'arn:aws:s3:eu-west-1:123456789012:accesspoint/mine';
    const byName = {
      S3_FORCE_PATH_STYLE: 'false',
      AWS_ENDPOINT_URL: 'https://vpce-1.s3.eu-west-1.vpce.test',
    };
    expect(faults({ S3_BUCKET, ...byName })).to.deep.equal([]);
    for (const where of [
      { S3_FORCE_PATH_STYLE: 'true' },
      { ...byName, S3_FORCE_PATH_STYLE: '' },
      { ...byName, AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9000' },
    ]) {
      expect(faults({ S3_BUCKET, ...where }), JSON.stringify(where)).to.have.length(1);
      expect(faults({ S3_BUCKET: 'mine', ...where }), JSON.stringify(where)).to.deep.equal([]);
    }
  });

  it('never repeats a value: it may be a password', () => {
    expect(faults({ DATABASE_URL: 'postgre://bankpulse:secret@host/db' }).join()).not.to.include('secret');
  });

  it('looks at nothing that was not asked for', () => {
    expect(faults({ CHUNK_ROWS: 'many', DB_PORT: 'x' }, detectorSettings)).to.deep.equal([]);
    expect(faults({ BATCH_ROWS: 'many' }, [...objectStoreSettings, ...producerSettings])).to.deep.equal([]);
    expect(Object.keys(loadSettings(['BATCH_ROWS']))).to.deep.equal(['BATCH_ROWS']);
  });

  describe('refuses prefixes with which mechanism Y would read its own files as chunks', () => {
    const refused: [chunks: string, detections: string][] = [
      ['data/', 'data/'],
      ['data/', 'data/detections/'],
      ['data/det', 'data/'],
      ['data', 'data-out/'],
    ];
    for (const [CHUNKS_PREFIX, DETECTIONS_PREFIX] of refused) {
      it(`chunks in ${CHUNKS_PREFIX} and detections in ${DETECTIONS_PREFIX}`, () => {
        expect(faults({ CHUNKS_PREFIX, DETECTIONS_PREFIX })).to.have.length(1);
      });
    }

    it('and no others', () => {
      expect(
        faults({ CHUNKS_PREFIX: 'data/chunks/', DETECTIONS_PREFIX: 'data/chunks-found/' }),
      ).to.deep.equal([]);
    });
  });
});
