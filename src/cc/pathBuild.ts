/**
 * Path building, bounded: from the target towards the anchors, depth first, the likeliest issuer first. A candidate is
 * checked, and its key has to verify the child's signature, before the search goes on from it; so only real chains
 * cost anything. No path holds one subject and key twice, which ends every cycle of cross-certificates.
 *
 * @packageDocumentation
 */
import { same, type Certificate } from './certificate.ts';
import { refuse, type Refusal } from './pathReasons.ts';
import { checkCertificate, checkIssuer, checkKeyIdentifier, type PathRules } from './pathValidate.ts';

/** Where issuers are looked for: by the key of their subject. */
export interface IssuerSource {
  /** Trust anchors of this name. */
  anchors(subjectKey: string): readonly Certificate[];
  /** Other certificates of this name; nothing is believed of them. */
  intermediates(subjectKey: string): readonly Certificate[];
}

/** A candidate that was not followed, with the path that it would have extended: the candidate first, the target last. */
export interface Rejected {
  readonly path: readonly Certificate[];
  readonly isAnchor: boolean;
  readonly refusal: Refusal;
}

/**
 * Every path from an anchor to the target, in the order of the search: the anchor first, the target last. Each
 * certificate and signature in it has been checked by itself; {@link validatePath} has the rest.
 *
 * @param onRejected - told of each candidate that is not followed
 */
export async function* buildPaths(
  target: Certificate,
  source: IssuerSource,
  rules: PathRules,
  onRejected: (rejected: Rejected) => void,
): AsyncGenerator<readonly Certificate[], void, undefined> {
  yield* extend([target], 0, source, rules, onRejected);
}

/** Certificates in a path, those included that are self-issued and so not counted as intermediates. */
const LONGEST_PATH = 32;

async function* extend(
  path: readonly Certificate[],
  intermediates: number,
  source: IssuerSource,
  rules: PathRules,
  onRejected: (rejected: Rejected) => void,
): AsyncGenerator<readonly Certificate[], void, undefined> {
  const child = path[0]!;
  const key = child.issuer.key;
  const anchors = source.anchors(key);
  const candidates = [
    ...sorted(anchors, child).map((certificate) => ({ certificate, isAnchor: true })),
    ...sorted(source.intermediates(key), child).map((certificate) => ({ certificate, isAnchor: false })),
  ];
  for (const { certificate, isAnchor } of candidates) {
    if (path.some((other) => isSameEntity(other, certificate))) continue;
    if (!isAnchor && anchors.some((anchor) => isSameEntity(anchor, certificate))) continue;
    rules.budget.spend('certificates');
    const depth = intermediates + (isAnchor || certificate.isSelfIssued ? 0 : 1);
    const refusal =
      checkCandidate(certificate, child, isAnchor, rules) ??
      (depth > rules.budget.limits.intermediates || path.length >= LONGEST_PATH
        ? refuse('path-too-long', `more than ${rules.budget.limits.intermediates} intermediates`)
        : undefined) ??
      pathLengthRefusal(certificate, intermediates) ??
      (await rules.signatures.check(child, certificate));
    const extended = [certificate, ...path];
    if (refusal !== undefined) onRejected({ path: extended, isAnchor, refusal });
    else if (isAnchor) yield extended;
    else yield* extend(extended, depth, source, rules, onRejected);
  }
}

function checkCandidate(
  candidate: Certificate,
  child: Certificate,
  isAnchor: boolean,
  rules: PathRules,
): Refusal | undefined {
  return (
    checkKeyIdentifier(child, candidate) ??
    checkIssuer(candidate) ??
    checkCertificate(candidate, isAnchor ? 'anchor' : 'intermediate', rules)
  );
}

/** A path length constraint is broken whatever comes above, so there is no use in searching there. */
function pathLengthRefusal(candidate: Certificate, below: number): Refusal | undefined {
  const most = candidate.extensions.basicConstraints?.pathLength;
  return most !== undefined && below > most ? refuse('path-too-long', 'pathLenConstraint') : undefined;
}

function isSameEntity(left: Certificate, right: Certificate): boolean {
  return left.spkiKey === right.spkiKey && left.subject.key === right.subject.key;
}

/** Those that the key identifier names come first, then those that end last. */
function sorted(candidates: readonly Certificate[], child: Certificate): readonly Certificate[] {
  const wanted = child.extensions.authorityKeyIdentifier?.keyIdentifier;
  const rank = ({ extensions: { subjectKeyIdentifier: own } }: Certificate): number =>
    wanted === undefined || own === undefined ? 1 : same(wanted, own) ? 0 : 2;
  return candidates.length < 2
    ? candidates
    : [...candidates].sort((left, right) => rank(left) - rank(right) || right.notAfterMs - left.notAfterMs);
}
