import { EventEmitter } from 'node:events';

/** A server that may be in trouble for a while. */
export type Service = 'database' | 'object_store';

/** What mechanism Y is doing: not elected yet, waiting behind another Y, elected, or between two tries. */
export type Role = 'starting' | 'standing_by' | 'working';

/** What happens in the pipeline, and what is known of it. Times are seconds, sizes bytes. */
export interface PipelineEvents {
  /** X has read its file once, before the first chunk. */
  sourceSurveyed: [source: { rows: number; chunkRows: number }];
  /** X is done with a chunk: it wrote it (`isNew`), or it was there. Without seconds it did not have to ask. */
  chunkProduced: [chunk: { number: number; rows: number; isNew: boolean; seconds?: number }];
  roleChanged: [role: Role];
  /** Y has looked at the bucket. */
  listed: [listing: { pendingCount: number; oldestPendingAt: Date | null }];
  /** A chunk is in the ledger. */
  chunkApplied: [
    chunk: {
      chunkNo: number;
      rowCount: number;
      rejectedCount: number;
      /** New ones, by pattern. */
      detections: Record<string, number>;
      /** By step. */
      stepSeconds: Record<string, number>;
      /** From the first byte of the COPY to the commit. */
      seconds: number;
    },
  ];
  chunkQuarantined: [object: { key: string }];
  /** A detection file is in the bucket, and known to be. They are numbered from 1, and written in that order. */
  batchWritten: [batch: { batchNo: number; rows: number }];
  /** An attempt failed; there will be another. */
  retried: [service: Service];
  /** From the first failed attempt of any call until all work again. */
  troubleBegan: [service: Service];
  troubleEnded: [service: Service];
}

/**
 * What happens in this process's pipeline, for whoever wants to show it. Publish only: missing or failing listeners
 * never affect the pipeline.
 */
class PipelineEmitter extends EventEmitter<PipelineEvents> {
  publish<Name extends keyof PipelineEvents>(name: Name, ...event: PipelineEvents[Name]): void {
    try {
      // the map of a type parameter is more than the emitter's types can follow
      (this as EventEmitter).emit(name, ...event);
    } catch (error) {
      process.emitWarning(error as Error);
    }
  }

  /** Calls these for their events. @returns how to end that. */
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
