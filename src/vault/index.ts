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
