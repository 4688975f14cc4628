import { expect } from 'chai';
import { fillLedger, ledgerFigures, openQuestions } from '../../scripts/bench/ledger.js';
import { useDatabase } from '../support/database.js';

describe('the benchmark of the ledger', () => {
  const database = useDatabase('empty');

  it('fills a database as years of work would, and everything that it asks is answered', async () => {
    const { config, client } = database();
    await fillLedger(config, 2000, new AbortController().signal);
    const { rows } = await client.query<{ status: object }>(
      'select to_jsonb(pipeline_status) as status from bankpulse.pipeline_status',
    );
    expect(rows[0]!.status).to.deep.include({
      chunks_applied: 2000,
      chunks_quarantined: 2,
      chunks_pending: 0,
      rows_applied: 20_000_000,
      rows_rejected: 200,
      detections: { PatId1: 0, PatId2: 198, PatId3: 2 },
      batches_exported: 4,
      batches_pending: 0,
    });
    expect((await client.query('select * from bankpulse.compare_totals()')).rows).to.deep.equal([]);
    const { questions, close } = await openQuestions(config, 2000);
    try {
      for (const [what, ask] of Object.entries(questions)) expect(await ask(), what).to.exist;
    } finally {
      await close();
    }
  });

  it('compares the times of a short and a long ledger, and says what a million rows take', () => {
    const chunk = { bareMs: 1, applyMs: 10, steps: {}, rows: 1, pairs: 1 };
    const figures = ledgerFigures(
      { chunks: [chunk], questions: { 'a page': [1, 2, 3] } },
      { chunks: [{ ...chunk, applyMs: 11 }], questions: { 'a page': [2, 4, 6] } },
      { chunks: 260 },
    );
    const valueOf = (wanted: string) => figures.find(({ key }) => key === wanted)?.value;
    expect(valueOf('process_chunk_growth')).to.equal(1.1);
    expect(valueOf('a_page_growth')).to.equal(2);
    expect(valueOf('chunks_mb_per_million')).to.equal(260);
  });
});
