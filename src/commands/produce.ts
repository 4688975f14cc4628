import { loadSettings, metricsSettings, objectStoreSettings, producerSettings } from '../config.js';
import { serveMetrics } from '../metrics/server.js';
import { produce } from '../producer/producer.js';
import { generateMissingInput } from './generate-missing-input.js';
import { withTerminal } from './run-pipeline.js';
import { openObjectStore } from './services.js';
import { probeObjectStore } from '../metrics/probes.js';

/** `npm run produce`: mechanism X alone. */
export async function runProduce(): Promise<void> {
  const settings = loadSettings([
    ...objectStoreSettings,
    ...producerSettings,
    ...metricsSettings,
    'IMPORTANCE_CSV',
    'LOG_LEVEL',
  ]);
  await withTerminal(settings.LOG_LEVEL, 'no more rows', async ({ log, signal, closeLater }) => {
    await generateMissingInput(settings, log, signal);
    if (signal.aborted) return;
    const { store, close } = await openObjectStore(settings, log);
    closeLater(close);
    const probes = { 'the object store': probeObjectStore(store, settings.CHUNKS_PREFIX) };
    closeLater(await serveMetrics({ settings, log, command: 'produce', probes }));
    const { chunks, rows, uploaded, skipped } = await produce({ store, settings, log, signal });
    if (!signal.aborted)
      log.info('mechanism X has no more rows and ends; mechanism Y (npm run detect) applies the chunks');
    process.stdout.write(`${chunks} chunks, ${rows} rows: ${uploaded} written, ${skipped} were there\n`);
  });
}
