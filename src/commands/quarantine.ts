import { SqlFunctions } from '../database/functions.js';
import { WRITES } from '../database/server-check.js';
import { readQuarantined } from '../database/status.js';
import { UserError } from '../errors.js';
import { printable } from '../text/printable.js';
import { withClient, withDatabase, withStatus } from './with-database.js';

/** `npm run quarantine [-- --retry KEY]`: lists the quarantined objects, or takes one out of the ledger. */
export async function runQuarantine({ retry }: { retry?: string }): Promise<void> {
  await withDatabase((config) =>
    withStatus(config, async (views) => {
      const quarantined = await readQuarantined(views);
      if (retry === undefined) {
        const lines = quarantined.map(
          ({ object_key, error }) => `${printable(object_key)}: ${printable(error ?? '')}\n`,
        );
        process.stdout.write(lines.length === 0 ? 'Nothing is quarantined.\n' : lines.join(''));
        return;
      }
      // the key itself, or as it is printed: control characters are hard to type
      const keys = quarantined.map(({ object_key }) => object_key);
      const key = keys.find((text) => text === retry) ?? keys.find((text) => printable(text) === retry);
      const wasThere =
        key !== undefined &&
        (await withClient(config, WRITES, (client) => new SqlFunctions(client).retryQuarantinedChunk(key)));
      if (!wasThere) throw new UserError(`no quarantined object has the key ${printable(retry)}`);
      process.stdout.write(
        `${printable(retry)} is taken out of quarantine; mechanism Y will find it again\n`,
      );
    }),
  );
}
