const now = () => Number(process.hrtime.bigint()); // the system's clock: the same in every process

/** Records what the transactions of one process did and saw, in the form that the checker reads. */
export class Recorder {
  history = [];
  #process;

  constructor(process) {
    this.#process = process;
  }

  /** A transaction begins. It counts as unknown until `end` is called. */
  begin(client) {
    const transaction = {
      id: `${this.#process}.${client}.${this.history.length}`,
      process: `${this.#process}.${client}`,
      status: 'unknown',
      start: now(),
      end: Infinity,
      ops: [],
    };
    this.history.push(transaction);
    return {
      id: transaction.id,
      record: (...operation) => transaction.ops.push(operation),
      end: (status) => {
        transaction.status = status;
        transaction.end = now();
      },
    };
  }
}
