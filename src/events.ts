import { EventEmitter } from 'node:events';

/** A service that may fail for a while. */
export type Service = 'database' | 'object_store';

/** The role of mechanism Y: starting, also between two terms; standing by while another Y works; elected; at its end. */
export type Role = 'starting' | 'standing_by' | 'working' | 'ended';

/** For whom a Y stands by: another Y, or npm run rebuild. */
export type Leader = 'another mechanism Y' | 'npm run rebuild';

/** The events of the pipeline. Times are in seconds. */
export interface PipelineEvents {
  /** X has read its file once, before the first chunk. */
  sourceSurveyed: [source: { rows: number; chunkRows: number }];
  /** X has written a chunk (`isNew`), or the bucket had it. `seconds`: the time of the put, if one was tried. */
  chunkProduced: [chunk: { number: number; rows: number; isNew: boolean; seconds?: number }];
  roleChanged: [role: Role];
  /** A Y that stands by has seen for whom. */
  leaderSeen: [leader: Leader];
  /** This process's Y has its row in the table runs. */
  runRegistered: [runId: number];
  /** Y is about to apply chunks, by these enabled patterns. */
  patternsKnown: [patterns: string[]];
  /** Y has listed the bucket; after `validMs` without another listing, it is unknown what waits. */
  listed: [listing: { pendingCount: number; oldestPendingAt: Date | null; validMs: number }];
  /** Y has read what the database has of all runs. */
  totalsRead: [totals: { quarantined: number; filesToWrite: number; lastAppliedAt: Date | null }];
  /** A chunk is in the ledger. */
  chunkApplied: [
    chunk: {
      chunkNo: number;
      rowCount: number;
      rejectedCount: number;
      /** New detections by pattern. Empty if there are none; otherwise every enabled pattern is a key. */
      detections: Record<string, number>;
      /** By step. */
      stepSeconds: Record<string, number>;
      /** Of staging it and of applying it up to the commit, without the wait between them. */
      seconds: number;
    },
  ];
  chunkQuarantined: [object: { key: string }];
  /** A detection file is in the bucket, and marked as exported. Batches are written in the order of their numbers. */
  batchWritten: [batch: { batchNo: number; rows: number }];
  /** An attempt failed, and another will follow. */
  retried: [service: Service];
  /** From the first call that fails, or is not answered in time, until all work again. */
  troubleBegan: [service: Service];
  troubleEnded: [service: Service];
}

/**
 * Publishes the events of this process's pipeline to displays and metrics. A listener that is missing or throws never
 * affects the pipeline.
 */
class PipelineEmitter extends EventEmitter<PipelineEvents> {
  publish<Name extends keyof PipelineEvents>(name: Name, ...event: PipelineEvents[Name]): void {
    try {
      // the emitter's types cannot follow a type parameter
      (this as EventEmitter).emit(name, ...event);
    } catch (error) {
      process.emitWarning(error as Error);
    }
  }

  /** Adds listeners by the names of their events. @returns a function that removes them. */
  subscribe(listeners: {
    [Name in keyof PipelineEvents]?: (...event: PipelineEvents[Name]) => void;
  }): () => void {
    const emitter = this as EventEmitter;
    const all = Object.entries(listeners) as [string, (...event: unknown[]) => void][];
    for (const [name, listener] of all) emitter.on(name, listener);
    return () => {
      for (const [name, listener] of all) emitter.off(name, listener);
    };
  }
}

export const pipelineEvents = new PipelineEmitter();
