import { expect } from 'chai';
import { explainRefusal } from '../../src/database/explain-refusal.js';
import { UserError, isTransientDatabaseError, messageOf } from '../../src/errors.js';
import { useDatabase } from '../support/database.js';

describe('explainRefusal', () => {
  const database = useDatabase('empty');
  const refusal = (code: string) => Object.assign(new Error('the words of the server'), { code });
  const explained = (code: string) =>
    explainRefusal(database().config, () => Promise.reject(refusal(code))).then(
      () => undefined,
      (error: unknown) => error,
    );

  for (const [code, advice] of [
    ['53400', /; lift the limit for this role \(such as: alter role \S+ set temp_file_limit = -1\)$/],
    ['57014', /; .*lift statement_timeout for this role/],
    ['3D000', /; create it \(createdb\) or set DB_NAME/],
    ['3F000', /; run "npm run migrate" if this is the right database$/],
  ] as const) {
    it(`says what to do about SQLSTATE ${code}`, async () => {
      const error = await explained(code);
      expect(error).to.be.instanceOf(UserError);
      expect(messageOf(error))
        .to.match(/^database ".*": the words of the server|^database "/)
        .and.match(advice);
    });
  }

  it('leaves what is no refusal as it is', async () => {
    expect(await explained('22012')).not.to.be.instanceOf(UserError);
  });

  it('never waits for a limit that is set to pass by itself', () => {
    expect(isTransientDatabaseError(refusal('53400'))).to.equal(false);
    expect(isTransientDatabaseError(refusal('53100'))).to.equal(true);
  });
});
