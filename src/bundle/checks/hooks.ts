import type { Spec } from '../../../spec/generated/config.ts'
import { HOOK_KINDS } from '../../plan/hooks.ts'
import { type Report, refuseNul } from '../problem.ts'

/** A hook is found by absolute path: there is no search. */
export function checkHooks(spec: Spec, report: Report): void {
  if (spec.hooks === undefined) return
  for (const name of HOOK_KINDS) {
    spec.hooks[name]?.forEach(({ path, args = [], env = [] }, index) => {
      const at = `/hooks/${name}/${index}`
      if (!path.startsWith('/') || path.includes('\0')) {
        const shown = JSON.stringify(path)
        report(
          `${at}/path`,
          `path ${shown} of a ${name} hook is not absolute and without nul bytes`,
        )
      }
      refuseNul(`${at}/args`, args, report)
      refuseNul(`${at}/env`, env, report)
    })
  }
}
