export { type Files, systemFiles } from './files.ts';
export { noteManifestChange } from './manifest-changes.ts';
export type {
  BundleContent,
  BundleFile,
  BundleProgress,
  BundleRequest,
  BundleSettings,
  BundleTorrent,
  UploadState,
  Vault,
  VaultStats,
} from './ports.ts';
export { LEASE_BYTES, readBytes } from './read-bytes.ts';
export { openVault, type VaultOptions } from './vault.ts';
