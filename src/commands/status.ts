import { readStatusText } from '../database/status.js';
import { withDatabase, withStatus } from './with-database.js';

/** `npm run status [-- --json]`: prints the row of pipeline_status, for people or as one JSON object. */
export async function runStatus({ json }: { json?: boolean }): Promise<void> {
  await withDatabase((config) =>
    withStatus(config, async (views, status) => {
      const text = json ? JSON.stringify(status) : await readStatusText(views);
      process.stdout.write(`${text}\n`);
    }),
  );
}
