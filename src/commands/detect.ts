import {
  dashboardSettings,
  databaseSettings,
  detectorSettings,
  loadSettings,
  metricsSettings,
  objectStoreSettings,
} from '../config.js';
import { explainRefusal } from '../database/explain-refusal.js';
import { detect } from '../detector/detector.js';
import { END_OF_ONCE, openPipeline, printSummary, withTerminal } from './run-pipeline.js';

/** `npm run detect`: mechanism Y alone. */
export async function runDetect({ once }: { once: boolean }): Promise<void> {
  const settings = loadSettings([
    ...databaseSettings,
    ...objectStoreSettings,
    ...detectorSettings,
    ...dashboardSettings,
    ...metricsSettings,
    'LOG_LEVEL',
  ]);
  await withTerminal(settings.LOG_LEVEL, END_OF_ONCE, async (command) => {
    const { log, signal } = command;
    const services = await openPipeline(settings, 'detect', command);
    let hasTold = once;
    const onQuiet = () => {
      if (!hasTold) log.info(`listening for new chunks under ${settings.CHUNKS_PREFIX}; Ctrl-C ends it`);
      hasTold = true;
    };
    await explainRefusal(services.config, () =>
      detect({ ...services, settings, log, signal, isInputOver: () => once, onQuiet }),
    );
    await printSummary(services, log);
  });
}
