/** Where verdicts differ, on purpose, from those of the specification's own schema. */

/** An objection to a document, by the specification's schema or by tsrun. */
export interface Objection {
  readonly instancePath: string
  readonly keyword: string
  /** The name of a missing property. */
  readonly missing: string
}

export interface Difference {
  readonly name: string
  readonly reason: string
  /** Whose objection it is that the other does not share. */
  readonly objector: 'specification' | 'tsrun'
  /** `document` is as written, before names are folded. */
  readonly covers: (objection: Objection, document: unknown) => boolean
}

const JUDGED_LATER = 'src/bundle/validate.ts refuses it, with a text that clients of runc know'

function later(name: string, path: RegExp, missing?: string): Difference {
  return {
    name,
    reason: JUDGED_LATER,
    objector: 'specification',
    covers: (o) =>
      path.test(o.instancePath) &&
      (missing === undefined
        ? ['enum', 'pattern', 'anyOf'].includes(o.keyword)
        : o.keyword === 'required' && o.missing === missing),
  }
}

export const DIFFERENCES: readonly Difference[] = [
  {
    name: 'sections of other platforms',
    reason: 'a Linux runtime ignores them',
    objector: 'specification',
    covers: (o) => /^\/(windows|solaris|vm|zos|freebsd)\//.test(o.instancePath) || isForeign(o),
  },
  {
    name: 'null',
    reason: 'what Go programs write for an absent list; runc reads it as absent',
    objector: 'specification',
    covers: (o, document) => valueAt(document, o.instancePath) === null,
  },
  {
    name: 'names in other case, one missing',
    reason: 'runc matches names without regard to case',
    objector: 'specification',
    covers: (o, document) =>
      o.keyword === 'required' && hasInOtherCase(valueAt(document, o.instancePath), o.missing),
  },
  {
    name: 'names in other case, value judged',
    reason: 'runc matches names without regard to case',
    objector: 'tsrun',
    covers: (o, document) => valueAt(document, o.instancePath) === undefined,
  },
  {
    name: 'missing ociVersion',
    reason: 'runc looks at no version; tsrun validate reports it',
    objector: 'specification',
    covers: (o) => o.instancePath === '' && o.missing === 'ociVersion',
  },
  {
    name: 'missing pids.limit',
    reason: 'optional by the text of the specification, and written so by Go programs',
    objector: 'specification',
    covers: (o) => o.instancePath === '/linux/resources/pids' && o.missing === 'limit',
  },
  {
    name: 'empty name in a free-form map',
    reason: 'its value is as much a value as any other',
    objector: 'tsrun',
    covers: (o) =>
      /^\/(annotations|linux\/sysctl|linux\/resources\/unified)\/$/.test(o.instancePath),
  },
  {
    name: 'unknown clock',
    reason: 'the kernel has offsets for two clocks only; validate.ts refuses the others anyway',
    objector: 'tsrun',
    covers: (o) => /^\/linux\/timeOffsets\/(?!monotonic|boottime)/.test(o.instancePath),
  },
  {
    name: 'exact limits of 64-bit numbers',
    reason: 'JSON Schema validators compare doubles, in which 2^63 equals the largest int64',
    objector: 'tsrun',
    covers: (o, document) => Math.abs(Number(valueAt(document, o.instancePath))) >= 2 ** 63,
  },
  later('missing cwd', /^\/process$/, 'cwd'),
  later('rlimit type', /^\/process\/rlimits\/\d+\/type$/),
  later('missing scheduler policy', /^\/process\/scheduler$/, 'policy'),
  later('scheduler policy', /^\/process\/scheduler\/policy$/),
  later('missing I/O priority class', /^\/process\/ioPriority$/, 'class'),
  later('I/O priority class', /^\/process\/ioPriority\/class$/),
  later('CPU affinity', /^\/process\/execCPUAffinity\/(initial|final)$/),
  later('namespace type', /^\/linux\/namespaces\/\d+(\/type)?$/),
  later('rootfsPropagation', /^\/linux\/rootfsPropagation$/),
  later('device type', /^\/linux\/devices\/\d+\/type$/),
  later('memory policy', /^\/linux\/memoryPolicy\/(mode|flags\/\d+)$/),
  later('personality', /^\/linux\/personality\/domain$/),
  later('missing default action', /^\/linux\/seccomp$/, 'defaultAction'),
  later('default action', /^\/linux\/seccomp\/defaultAction$/),
  later('seccomp flag', /^\/linux\/seccomp\/flags\/\d+$/),
]

function isForeign({ instancePath, keyword }: Objection): boolean {
  return /^\/(windows|solaris|vm|zos|freebsd)$/.test(instancePath) && keyword !== 'type'
}

/** The value of a pointer in a parsed document; undefined if there is none. */
export function valueAt(document: unknown, pointer: string): unknown {
  let at = document
  for (const escaped of pointer.split('/').slice(1)) {
    const name = escaped.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as Record<string, unknown>)[name]
  }
  return at
}

function hasInOtherCase(value: unknown, name: string): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.keys(value).some((key) => key.toLowerCase() === name.toLowerCase())
}
