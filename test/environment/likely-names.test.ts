import { expect } from 'chai';
import { likelyName, misspeltNames } from '../../src/environment/likely-names.js';
import { LIBRARY_NAMES } from '../../src/environment/named-services.js';
import { settingNames } from '../../src/config.js';

const known = [...settingNames, ...LIBRARY_NAMES];

describe('likelyName', () => {
  const meant: Record<string, string> = {
    DBHOST: 'DB_HOST',
    db_host: 'DB_HOST',
    DB_HOSTNAME: 'DB_HOST',
    DB_PASS: 'DB_PASSWORD',
    DB_USERNAME: 'DB_USER',
    DATABASE_URI: 'DATABASE_URL',
    DATABASE_HOST: 'DB_HOST',
    S3_BUKET: 'S3_BUCKET',
    S3_BUCKET_NAME: 'S3_BUCKET',
    S3_ENDPOINT: 'AWS_ENDPOINT_URL_S3',
    AWS_S3_ENDPOINT: 'AWS_ENDPOINT_URL_S3',
    AWS_DEFAULT_REGION: 'AWS_REGION',
    AWS_SECRET_KEY: 'AWS_SECRET_ACCESS_KEY',
    PGHOSTS: 'PGHOST',
    CHUNK_ROW: 'CHUNK_ROWS',
    CHUNK_SIZE: 'CHUNK_ROWS',
    POLL_INTERVAL: 'POLL_INTERVAL_MS',
    POLL_INTERVAL_SECONDS: 'POLL_INTERVAL_MS',
    TRANSACTION_CSV: 'TRANSACTIONS_CSV',
    BANKPULSE_HOME_DIR: 'BANKPULSE_HOME',
    LOGLEVEL: 'LOG_LEVEL',
    S3_SECRET_KEY: 'AWS_SECRET_ACCESS_KEY',
    S3_ACCESS_KEY: 'AWS_ACCESS_KEY_ID',
    S3_ACCESS_KEY_ID: 'AWS_ACCESS_KEY_ID',
    S3_REGION: 'AWS_REGION',
    MINIO_ENDPOINT: 'AWS_ENDPOINT_URL_S3',
    AWS_S3_BUCKET: 'S3_BUCKET',
    BUCKET_NAME: 'S3_BUCKET',
    POSTGRES_URL: 'DATABASE_URL',
    POSTGRES_HOST: 'DB_HOST',
    PG_URL: 'DATABASE_URL',
  };
  for (const [name, likely] of Object.entries(meant)) {
    it(`takes ${name} for ${likely}`, () => expect(likelyName(name, known)).to.equal(likely));
  }

  it('takes no variable of others for one of ours', () => {
    const others = [
      ...[
        'PATH',
        'HOME',
        'USER',
        'LANG',
        'LC_ALL',
        'TERM',
        'SHELL',
        'PWD',
        'HOSTNAME',
        'NODE_ENV',
        'NODE_OPTIONS',
        'CI',
      ],
      ...[
        'npm_config_loglevel',
        'npm_lifecycle_event',
        'npm_package_name',
        'INIT_CWD',
        'GITHUB_TOKEN',
        'TZ',
        'TMPDIR',
      ],
      ...[
        'AWS_CONFIG_FILE',
        'AWS_ROLE_ARN',
        'AWS_ENDPOINT_URL_SQS',
        'AWS_EC2_METADATA_DISABLED',
        'AWS_CA_BUNDLE',
      ],
      ...[
        'TEST_DATABASE_URL',
        'TEST_S3_ENDPOINT',
        'BANKSIM_DIR',
        'BANKPULSE_TEST_S3',
        'PGTZ',
        'PGDATA',
        'HTTPS_PROXY',
      ],
      ...[
        'BANKPULSE_SERVICE_HOST',
        'DB_SERVICE_PORT',
        'BANKPULSE_PORT_8080_TCP_ADDR',
        'POSTGRES_USER',
        'PORT',
        'URL',
      ],
    ];
    const environment = Object.fromEntries(others.map((name) => [name, 'x']));
    expect(misspeltNames({ ...environment, DB_PORT: 'tcp://10.0.0.1:5432' }, known)).to.deep.equal([]);
  });
});

describe('misspeltNames', () => {
  it('finds those that are set', () => {
    expect(
      misspeltNames({ CHUNK_ROW: '7', CHUNK_SIZE: '', BATCH_ROWS: '7', PATH: '/bin' }, known),
    ).to.deep.equal([{ name: 'CHUNK_ROW', likely: 'CHUNK_ROWS' }]);
  });
});
