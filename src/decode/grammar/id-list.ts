// A list of integers that grows and keeps its room when it is emptied: masks are made of hundreds of thousands.

export class IdList {
  length = 0;
  private values = new Int32Array(256);
  push(value: number): void {
    if (this.length === this.values.length) this.grow(this.length * 2);
    this.values[this.length++] = value;
  }
  pushAll(values: Int32Array): void {
    if (this.length + values.length > this.values.length) this.grow((this.length + values.length) * 2);
    this.values.set(values, this.length);
    this.length += values.length;
  }
  /** A copy of those from one place on. */
  list(from = 0): Int32Array {
    return this.values.slice(from, this.length);
  }
  private grow(capacity: number): void {
    const values = new Int32Array(capacity);
    values.set(this.values);
    this.values = values;
  }
}
