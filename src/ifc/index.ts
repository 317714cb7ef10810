/**
 * What may flow: labels, policies, clearances and the audit log. Pure and synchronous.
 *
 * @packageDocumentation
 */
export { all } from './all.ts';
export {
  appendAudit,
  auditCheckpoint,
  auditEntry,
  createAudit,
  verifyAudit,
  type AuditCounts,
  type AuditEntry,
  type AuditFault,
  type AuditHead,
  type AuditReport,
  type AuditState,
  type Sha256,
  type VerifyOptions,
} from './audit.ts';
export { bellLaPadula } from './bellLaPadula.ts';
export { biba } from './biba.ts';
export {
  clearanceOf,
  type Clearance,
  type ClearanceRule,
  type ClearanceRules,
  type CredentialDescription,
  type CredentialKind,
} from './clearance.ts';
export type { DefinitionIssue } from './definition.ts';
export { explainFlow, type FlowQuestion } from './explain.ts';
export {
  bottom,
  compareLabels,
  compartmentsOf,
  createLattice,
  dominates,
  formatLabel,
  join,
  labelOf,
  MAX_COMPARTMENTS,
  MAX_LABEL_BYTES,
  MAX_LEVELS,
  meet,
  parseLabel,
  sameLabel,
  top,
  type Label,
  type Lattice,
  type LatticeDefinition,
  type Relation,
} from './label.ts';
export type { ModelOptions } from './model.ts';
export {
  chooseLevel,
  FLOW_KINDS,
  FLOWS,
  isFlowKind,
  reach,
  type Decision,
  type Direction,
  type Exemption,
  type Flow,
  type FlowKind,
  type ModelDescription,
  type Policy,
  type Reach,
  type Rule,
  type Subject,
} from './policy.ts';
export {
  checkPolicy,
  checkPolicyText,
  DEFAULT_POLICY_TEXT,
  defaultPolicy,
  loadPolicy,
  type PolicyFile,
  type PolicyTextError,
} from './policyFile.ts';
export type { TimeWindow } from './timeWindow.ts';
