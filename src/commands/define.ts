import type { Log } from '../base/log.ts'
import type { CgroupDriver } from '../plan/cgroup.ts'

/** One option of a command, as declared; help, completion and parsing are made from it. */
export interface OptionDefinition {
  readonly type: 'flag' | 'string' | 'integer' | 'list' | 'integers'
  /** One letter, without the dash. */
  readonly alias?: string
  /** What the value is called in help: `DIR`. */
  readonly metavar?: string
  readonly summary: string
  readonly default?: boolean | string | number
  /** Of a flag: absent is not the same as false. */
  readonly optional?: true
  /** Accepted, but not listed in help. */
  readonly hidden?: boolean
}

export type OptionDefinitions = Readonly<Record<string, OptionDefinition>>

type ValueOf<D extends OptionDefinition> = D extends { type: 'flag' }
  ? D extends { optional: true }
    ? boolean | undefined
    : boolean
  : D extends { type: 'list' }
    ? readonly string[]
    : D extends { type: 'integers' }
      ? readonly number[]
      : D extends { type: 'integer' }
        ? D extends { default: number }
          ? number
          : number | undefined
        : D extends { default: string }
          ? string
          : string | undefined

/** The values that `run` is given: an absent flag is false, an absent list empty. */
export type OptionValues<O extends OptionDefinitions> = { readonly [K in keyof O]: ValueOf<O[K]> }

/** The global options, resolved. */
export interface Runtime {
  /** Absolute path of the state root. */
  readonly root: string
  /** True when `root` was given by --root. */
  readonly rootIsExplicit: boolean
  /** Of the containers that this command creates. */
  readonly cgroupDriver: CgroupDriver
  /** --rootless as typed; judged by the commands that create containers. */
  readonly rootless: string
  readonly debug: boolean
  readonly log: Log
  /** argv[0], for messages. */
  readonly program: string
  /** Writes to standard output. */
  print(text: string): void
}

export interface Invocation<O extends OptionDefinitions> {
  readonly options: OptionValues<O>
  readonly args: readonly string[]
  readonly runtime: Runtime
}

export interface Command<O extends OptionDefinitions = OptionDefinitions> {
  readonly name: string
  readonly summary: string
  /** Shown in help after the options: `<container-id> [signal]`. */
  readonly usage: string
  readonly description?: string
  /** How many positionals are taken; `max` absent means any number. */
  readonly args: { readonly min: number; readonly max?: number }
  /** Flags end at the first positional (exec, kill, ps). */
  readonly stopAtPositional?: boolean
  readonly hidden?: boolean
  readonly options: O
  /** Prefix of runtime errors: `runc create failed`. */
  readonly errorPrefix?: string
  /** Exit code of runtime errors, 1 if absent. */
  readonly errorExitCode?: number
  /** Carries the command out; returns (or promises) the exit code. */
  run(invocation: Invocation<O>): number | Promise<number>
}

/** Declares a command; the options given type what `run` receives. */
export function defineCommand<const O extends OptionDefinitions>(command: Command<O>): Command<O> {
  return command
}
