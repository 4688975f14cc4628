import { expect } from 'chai';
import { faultsOfDatabase, faultsOfStore, namesBesideUrl } from '../../src/environment/named-services.js';

type Environment = Record<string, string>;

describe('the variables of the database', () => {
  const complete: Environment[] = [
    {},
    { PATH: '/bin', AWS_REGION: 'eu-central-1', S3_BUCKET: 'b', DB_USER: '' },
    { DATABASE_URL: 'postgres://h/d' },
    { DATABASE_URL: 'postgres://h/d', PGSERVICE: 's', DB_USER: 'u' },
    { DB_HOST: 'h' },
    { DB_HOST: 'h', PGSERVICE: 's', PGPASSWORD: 'p' },
    { PGHOST: 'h' },
    { PGHOST: 'h', PGDATABASE: 'd', DB_USER: 'u' },
    { PGHOME: '/usr/local/pgsql', DBHOME: '/opt', PGDATA: '/var/lib' },
    { DB_PORT: 'tcp://10.0.0.1:5432', DB_SERVICE_HOST: '10.0.0.1', DB_PORT_5432_TCP_ADDR: '10.0.0.1' },
    { PGSSLMODE: 'disable', PGOPTIONS: '-c x=y' },
  ];
  for (const environment of complete) {
    it(`are complete as ${JSON.stringify(environment)}`, () =>
      expect(faultsOfDatabase(environment)).to.deep.equal([]));
  }

  const half: Environment[] = [
    { DBHOST: 'h', DB_USER: 'u', DB_NAME: 'd' },
    { DBHOST: 'h' },
    { DATABASE_URI: 'postgres://h/d' },
    { DATABASE_HOST: 'h' },
    { DB_PASSWORD: 'p' },
    { DB_PORT: '5432' },
    { DB_ANYTHING: 'x' },
    { PGDATABASE: 'd' },
    { PGUSER: 'u', PGPASSWORD: 'p' },
    { PGHOSTS: 'h' },
  ];
  for (const environment of half) {
    it(`are half a configuration as ${JSON.stringify(environment)}`, () => {
      const [fault, ...others] = faultsOfDatabase(environment);
      expect(others).to.deep.equal([]);
      expect(fault).to.match(/set DB_HOST, PGHOST or DATABASE_URL/);
      for (const name of Object.keys(environment)) expect(fault).to.include(name);
    });
  }

  for (const name of ['PGSERVICE', 'PGSERVICEFILE', 'PGHOSTADDR', 'PGTARGETSESSIONATTRS', 'PGSSLROOTCERT']) {
    it(`are refused with ${name}, which would choose another server`, () => {
      for (const environment of [{ [name]: 'x' }, { [name]: 'x', PGHOST: 'h' }])
        expect(faultsOfDatabase(environment)).to.deep.equal([
          `${name} is not supported: set DATABASE_URL, or DB_HOST and the other DB_ variables`,
        ]);
    });
  }
});

describe('namesBesideUrl', () => {
  it('finds what has no effect, since DATABASE_URL wins', () => {
    expect(namesBesideUrl({ DATABASE_URL: 'postgres://h/d', DB_NAME: 'd', DB_HOST: '' })).to.deep.equal([
      'DB_NAME',
    ]);
    expect(namesBesideUrl({ DB_NAME: 'd' })).to.deep.equal([]);
  });
});

describe('the variables of the object store', () => {
  for (const environment of [
    {},
    { S3_BUCKET: 'b' },
    { S3_SERVICE_PORT: '80', S3_PORT: 'tcp://10.0.0.1:80', AWS_ENDPOINT_URL_STS: 'http://h' },
    { S3_BUCKET: 'b', AWS_ENDPOINT_URL_S3: 'http://h' },
    { AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 's', AWS_REGION: 'r', AWS_PROFILE: 'p' },
  ]) {
    it(`are complete as ${JSON.stringify(environment)}`, () =>
      expect(faultsOfStore(environment)).to.deep.equal([]));
  }

  for (const environment of [
    { AWS_ENDPOINT_URL_S3: 'http://h', AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 's' },
    { AWS_ENDPOINT_URL: 'http://h' },
    { AWS_S3_ENDPOINT: 'http://h' },
    { S3_FORCE_PATH_STYLE: 'true' },
    { S3_BUKET: 'b' },
    { S3BUCKET: 'b' },
    { MINIO_ENDPOINT: 'h', MINIO_ROOT_USER: 'u' },
  ]) {
    it(`are half a configuration as ${JSON.stringify(environment)}`, () => {
      const [fault, ...others] = faultsOfStore(environment);
      expect(others).to.deep.equal([]);
      expect(fault)
        .to.match(/set S3_BUCKET/)
        .and.to.include(Object.keys(environment)[0]);
    });
  }
});
