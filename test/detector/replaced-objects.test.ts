import { expect } from 'chai';
import { csv, until, useDetector, type LogLine } from '../support/detector.js';
import { OddStore, answerListing, refuse, type ListedEntry } from '../support/odd-store.js';

const OTHER_ETAGS = /listings of this store show other ETags/;

describe('detect, with a store whose listings show other ETags than its objects have,', () => {
  const current = useDetector();
  const { chunkKey, detectOnce, startDetector, ledger, untilApplied } = current;
  let odd: OddStore;

  before(async () => {
    odd = await OddStore.start();
  });
  beforeEach(() => odd.reset());
  after(() => odd.stop());

  let isArchived = false;
  beforeEach(() => (isArchived = false));

  function listEtags(etagOf: (entry: ListedEntry) => string): void {
    odd.oddity = ({ method, isListing, key, query }, res) => {
      if (isArchived && method === 'GET' && key === chunkKey(1)) {
        refuse(res, 403, 'InvalidObjectState');
        return true;
      }
      if (!isListing) return false;
      const page = odd.page(query);
      const contents = page.contents.map((entry) => ({ ...entry, etag: etagOf(entry) }));
      return answerListing(res, { ...page, contents });
    };
  }
  const putChunks = (...numbers: number[]) => {
    for (const number of numbers) odd.put(chunkKey(number), csv(`C${number},F,shop,${number}`));
  };
  const said = (log: readonly LogLine[], text: RegExp) =>
    log.filter(({ msg }) => text.test(msg)).map(({ key }) => key);
  const peeks = () => odd.requests.filter(({ headers }) => headers.range !== undefined).length;
  const listedOn = async () => {
    const { length } = odd.requests;
    await until('it is listed on', () => Promise.resolve(odd.requests.length > length + 3));
  };

  it('compares listings with listings, says so once, and finds what is replaced', async () => {
    listEtags(({ etag }) => `"own-${etag.slice(1, 9)}-2"`);
    putChunks(1, 2, 3);
    const store = odd.open();
    await detectOnce({}, { store });
    const first = await detectOnce({}, { store });
    expect(said(first, /replaced/)).to.deep.equal([]);
    expect(peeks()).to.equal(3);
    await detectOnce({}, { store });
    expect(peeks(), 'the ledger has what listings show').to.equal(3);

    const detector = startDetector({}, { store });
    putChunks(4);
    await untilApplied(4);
    await until('what differs is said', () => Promise.resolve(said(detector.log, OTHER_ETAGS).length > 0));
    odd.put(chunkKey(2), csv('C2,F,shop,2', 'C2,F,shop,2'));
    await until('it is reported', () => Promise.resolve(said(detector.log, /was replaced/).length > 0));
    putChunks(5);
    await untilApplied(5);
    await detector.stop();
    expect(said(detector.log, /was replaced/)).to.deep.equal([chunkKey(2)]);
    expect(said(detector.log, OTHER_ETAGS)).to.have.length(1);
    expect((await ledger()).map(({ row_count }) => row_count)).to.deep.equal([1, 1, 1, 1, 1]);
  });

  it('gives up where they show another one with each listing', async () => {
    let listings = 0;
    listEtags(() => `"${++listings}"`);
    putChunks(1);
    const detector = startDetector({ FULL_LIST_MS: 100 }, { store: odd.open() });
    await untilApplied(1);
    await until('it was asked for', () => Promise.resolve(peeks() === 3));
    await listedOn();
    await detector.stop();
    expect(peeks()).to.equal(3);
    expect(said(detector.log, /replaced/)).to.deep.equal([]);
  });

  it('does not say of one that cannot be read that it was replaced', async () => {
    let listings = 0;
    listEtags(() => `"${++listings}"`);
    putChunks(1);
    const store = odd.open();
    await detectOnce({}, { store });
    isArchived = true;
    odd.requests.length = 0;
    const detector = startDetector({}, { store });
    await until('it was asked for', () => Promise.resolve(peeks() === 3));
    await listedOn();
    await detector.stop();
    expect(peeks()).to.equal(3);
    expect(said(detector.log, /replaced/)).to.deep.equal([]);
  });

  it('tries a quarantined object again when it has changed, not with each ETag that they show', async () => {
    let listings = 0;
    listEtags(() => `"${++listings}"`);
    odd.put(chunkKey(1), 'no columns\n');
    const detector = startDetector({}, { store: odd.open() });
    const tries = () => said(detector.log, /quarantined$/).length;
    await until('it was tried again', () => Promise.resolve(tries() === 2));
    odd.put(chunkKey(1), 'still no columns\n');
    await until('it was tried when it had changed', () => Promise.resolve(tries() === 3));
    // how often it is asked for until then depends on whether a listing came between
    let asked = -1;
    for (let round = 0; round < 5 && asked !== peeks(); round++) {
      asked = peeks();
      await listedOn();
    }
    await detector.stop();
    expect(tries()).to.equal(3);
    expect(peeks()).to.equal(asked);
  });
});
