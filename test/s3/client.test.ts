import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, request, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { UsageError, messageOf } from '../../src/errors.js';
import { OddStore } from '../support/odd-store.js';

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => expect.fail('it did not fail'),
    (error: unknown) => error,
  );

describe('the client of the object store', () => {
  let odd: OddStore;
  let environment: NodeJS.ProcessEnv;

  before(async () => {
    odd = await OddStore.start();
  });
  beforeEach(() => {
    odd.reset();
    environment = { ...process.env };
  });
  afterEach(() => {
    for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
    Object.assign(process.env, environment);
  });
  after(() => odd.stop());

  describe('without usable credentials says the reason of the SDK:', () => {
    let folder: string;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'bankpulse-test-aws-'));
    });
    after(() => rm(folder, { recursive: true, force: true }));

    async function explained(profile: string | undefined, config: string): Promise<string> {
      for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
      process.env.AWS_CONFIG_FILE = join(folder, `config-${profile}`); // the SDK reads each file once
      process.env.AWS_SHARED_CREDENTIALS_FILE = join(folder, 'credentials');
      process.env.AWS_EC2_METADATA_DISABLED = 'true';
      await writeFile(process.env.AWS_CONFIG_FILE, config);
      if (profile !== undefined) process.env.AWS_PROFILE = profile;
      const message = messageOf(await failureOf(odd.open({ credentials: undefined }).checkAccess()));
      expect(message)
        .to.match(/^no credentials for bucket "odd" at http/)
        .and.not.match(/\n/);
      return message;
    }

    it('the profile is unknown', async () => {
      expect(await explained('nobody', '')).to.match(
        /\(Could not resolve credentials using profile: \[nobody\] .*\): mend the profile "nobody", correct AWS_PROFILE/,
      );
    });

    it('its process fails', async () => {
      const config = '[profile vault]\ncredential_process = sh -c "echo sealed >&2; exit 3"\n';
      expect(await explained('vault', config)).to.match(
        /\(Command failed: .* sealed\): mend the profile "vault"/,
      );
    });

    it('its SSO session has expired', async () => {
      const config =
        '[profile sso]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n' +
        '[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://x.awsapps.com/start\n';
      expect(await explained('sso', config)).to.match(/\(The SSO session .*'aws sso login'/);
    });

    it('the file of its token is not there', async () => {
      const config = `[profile web]\nrole_arn = arn:aws:iam::1:role/r\nweb_identity_token_file = ${folder}/none\n`;
      expect(await explained('web', config)).to.match(/\(ENOENT: no such file .*none'\): correct AWS_WEB_ID/);
    });

    it('there is nothing at all', async () => {
      expect(await explained(undefined, '')).to.match(
        /at http:\S+: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE$/,
      );
    });
  });

  it('refuses keys that hold blanks or control characters, each by its name', () => {
    process.env.AWS_ACCESS_KEY_ID = 'key\n';
    process.env.AWS_SECRET_ACCESS_KEY = 'good/secret+';
    process.env.AWS_SESSION_TOKEN = 'to\u0007ken';
    const open = () => odd.open({ credentials: undefined });
    expect(open).to.throw(UsageError).with.property('problems').that.has.length(2);
    expect(open).to.throw(/^AWS_ACCESS_KEY_ID holds a line break.*\nAWS_SESSION_TOKEN holds/);
    expect(() => odd.open()).not.to.throw();
  });

  describe('with a proxy in the environment', () => {
    let proxy: Server;
    let asked: string[];

    beforeEach(async () => {
      asked = [];
      // sends everything on to the odd store, whatever host is asked for
      proxy = createServer((req, res) => {
        asked.push(`${req.method} ${req.url}`);
        const { port } = new URL(odd.endpoint);
        const { pathname, search } = new URL(req.url!);
        const onward = request({
          host: '127.0.0.1',
          port,
          method: req.method,
          path: pathname + search,
          headers: req.headers,
        });
        onward.on('response', (answer) => {
          res.writeHead(answer.statusCode!, answer.headers);
          answer.pipe(res);
        });
        req.pipe(onward);
      });
      proxy.on('connect', (req, socket) => {
        asked.push(`CONNECT ${req.url}`);
        const onward = connect(Number(new URL(odd.endpoint).port), '127.0.0.1', () => {
          socket.write('HTTP/1.1 200 OK\r\n\r\n');
          onward.pipe(socket).pipe(onward);
        });
        for (const each of [socket, onward]) each.on('error', () => onward.destroy());
      });
      proxy.listen(0, '127.0.0.1');
      await once(proxy, 'listening');
      for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'ALL_PROXY'])
        for (const each of [name, name.toLowerCase()]) delete process.env[each];
    });
    afterEach(() => {
      proxy.closeAllConnections();
      proxy.close();
    });
    const proxyUrl = () => `http://user:secret@127.0.0.1:${(proxy.address() as AddressInfo).port}`;

    it('goes by way of it to a store that speaks http', async () => {
      process.env.HTTP_PROXY = proxyUrl();
      const store = odd.open({ endpoint: 'http://store.invalid:9000' });
      await store.put('p/1', 'content', 'text/plain');
      expect((await store.getWhole('p/1'))?.content.toString()).to.equal('content');
      expect(asked.join()).to.match(/PUT http:\/\/store\.invalid:9000\/odd\/p\/1/);
      expect(odd.requests.at(-1)?.headers.host).to.equal('store.invalid:9000');
      expect(store.description).to.match(
        /store\.invalid:9000 by way of the proxy http:\/\/127\.0\.0\.1:\d+$/,
      );
    });

    it('opens a tunnel to one that speaks https', async () => {
      process.env.HTTPS_PROXY = proxyUrl();
      const error = await failureOf(odd.open({ endpoint: 'https://store.invalid' }).checkAccess());
      expect(asked[0]).to.equal('CONNECT store.invalid:443');
      expect(messageOf(error)).to.match(/by way of the proxy .* does not speak TLS/);
    });

    it('goes past it where NO_PROXY says so, and to this machine', async () => {
      process.env.HTTP_PROXY = proxyUrl();
      process.env.NO_PROXY = '.invalid';
      await odd.open().put('p/1', 'content', 'text/plain');
      await failureOf(odd.open({ endpoint: 'http://store.invalid:9000' }).checkAccess());
      expect(asked).to.deep.equal([]);
    });

    it('says that a proxy of another kind cannot be used', () => {
      process.env.HTTPS_PROXY = 'socks5://127.0.0.1:1080';
      expect(() => odd.open({ endpoint: 'https://store.invalid' })).to.throw(
        UsageError,
        /^HTTPS_PROXY must be a URL that begins with http:\/\/ or https:\/\/, or NO_PROXY must name store\.invalid$/,
      );
    });
  });
});
