// The rows of the schema table.

/** A field as types.json has it: JSON name, Go type, protobuf number, and the markers of the Go struct. */
export interface SchemaField {
  /** "" for an inline field. */
  readonly json?: string;
  readonly inline?: boolean;
  readonly type: string;
  readonly number?: number;
  /** A Go pointer: its zero value is a value, not absence. */
  readonly pointer?: boolean;
  readonly optional?: boolean;
  readonly required?: boolean;
  readonly omitempty?: boolean;
  /** "merge", "retainKeys", "replace", joined with commas. */
  readonly patchStrategy?: string;
  readonly patchMergeKey?: string;
  readonly listType?: string;
  readonly listMapKeys?: readonly string[];
  readonly mapType?: string;
  readonly structType?: string;
  /** JSON text, or `ref(GoConstant)`. */
  readonly default?: string;
  /** Own words, for `kubectl explain`. */
  readonly description?: string;
}

/** A named type: a struct of fields, or an alias of another type (with its values when it is an enumeration). */
export interface SchemaType {
  readonly alias?: string;
  readonly enum?: readonly string[];
  readonly fields?: readonly SchemaField[];
  readonly structType?: string;
  readonly description?: string;
}
