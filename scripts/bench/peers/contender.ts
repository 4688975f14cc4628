import { differences, type Detection, type Peer, type PeerChunk } from './peer.js';

/** A peer that takes part in some chunks, catches up on those between, and must find what BankPulse finds. */
export class Contender {
  /** What it took, in milliseconds, by chunk. */
  readonly ms = new Map<number, number>();
  /** What it found otherwise than BankPulse. */
  readonly differences: string[] = [];
  #skipped: string[] = [];

  constructor(readonly peer: Peer) {}

  /** Leaves out a chunk for now. */
  skip(file: string): void {
    this.#skipped.push(file);
  }

  /** @param detections those of BankPulse, up to this chunk */
  async time(chunk: PeerChunk, detections: readonly Detection[]): Promise<void> {
    if (this.#skipped.length > 0) {
      const earlier = detections.filter((detection) => detection.chunk < chunk.number);
      await this.peer.load(this.#skipped, earlier);
      this.#skipped = [];
    }
    const start = performance.now();
    const found = await this.peer.apply(chunk);
    this.ms.set(chunk.number, performance.now() - start);
    const expected = detections.filter((detection) => detection.chunk === chunk.number);
    this.differences.push(...differences(expected, found).map((line) => `${this.peer.name} ${line}`));
  }
}
