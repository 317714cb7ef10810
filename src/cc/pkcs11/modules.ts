/**
 * Finds the PKCS #11 module to use.
 *
 * @packageDocumentation
 */
import { existsSync } from 'node:fs';
import { SimsError } from '../../errors.ts';
import { citizenCard, citizenCardOpenSc, profileOf, type CardProfile, type ModulePlatform } from './profiles.ts';

/** Which module, and what is known about its tokens. */
export interface ModuleOptions {
  /** Path of the module; default the first found of the profile, or of the citizen card's. */
  readonly module?: string;
  /** Default by the module's file name: the citizen card's, else `generic`. */
  readonly profile?: CardProfile;
}

/** A module and the profile it is used by. */
export interface FoundModule {
  readonly module: string;
  readonly profile: CardProfile;
}

/**
 * The module to use. Without any option: the citizen card's own middleware, then OpenSC with the citizen card's objects.
 *
 * @throws `card/module-missing`, with every place that was looked at
 */
export function findModule(
  options: ModuleOptions,
  platform: string = process.platform,
  exists: (path: string) => boolean = existsSync,
): FoundModule {
  const { module } = options;
  if (module !== undefined) return { module, profile: options.profile ?? profileOf(module) };
  const profiles = options.profile === undefined ? [citizenCard, citizenCardOpenSc] : [options.profile];
  const places: string[] = [];
  for (const profile of profiles) {
    for (const path of profile.modules[platform as ModulePlatform] ?? []) {
      if (exists(path)) return { module: path, profile };
      places.push(path);
    }
  }
  throw new SimsError(
    'card/module-missing',
    `no PKCS #11 module was found for ${profiles[0]!.title}; looked for ${places.join(', ') || `nothing on ${platform}`}; ` +
      'install it, or name the module',
  );
}
