import { z } from 'zod';
import { decodeDocument, encodeDocument, MAX_MANIFEST_BYTES } from './document.ts';
import { type EnvelopeKey, openEnvelope, sealEnvelope, u64 } from './envelope.ts';
import { sealError } from './fault.ts';
import { DEFAULT_SUITE, HASH_BYTES, ID_BYTES } from './layout.ts';
import { bundleHandle, type LibraryKeys, type MasterKey, withEachMaster } from './library-keys.ts';
import { generationNumber, hexBytes, type JsonObject, jsonObject, parseJson } from './schema.ts';
import { WRAPPED_KEY_BYTES } from './wrap.ts';

const SHA1_BYTES = 20;

export interface ManifestTorrent {
  /** 20 bytes; its info dictionary is in the content table. */
  readonly infoHash: Buffer;
  /** Announce URLs in tiers (BEP 12). */
  readonly trackers: readonly (readonly string[])[];
  /** Seeding settings by name. */
  readonly seeding: JsonObject;
}

/** One generation of what is known of a bundle. */
export interface Manifest {
  readonly bundleId: Buffer;
  /** From 1. */
  readonly generation: number;
  /** SHA-256 of the sealed manifest of the generation before; null in the first. */
  readonly previous: Buffer | null;
  /** The bundle's key as `wrapBundleKey` gives it. */
  readonly bundleKey: Buffer;
  /** The content table's SHA-256 and the generation it is bound to. */
  readonly table: { readonly name: Buffer; readonly generation: number };
  readonly torrents: readonly ManifestTorrent[];
  readonly releases: readonly JsonObject[];
}

const manifestSchema = z.object({
  schema: z.literal('bae manifest 1'),
  bundle: hexBytes(ID_BYTES),
  generation: generationNumber,
  previous: hexBytes(HASH_BYTES).nullable(),
  bundleKey: hexBytes(WRAPPED_KEY_BYTES),
  table: z.object({ name: hexBytes(HASH_BYTES), generation: generationNumber }),
  torrents: z.array(
    z.object({ infoHash: hexBytes(SHA1_BYTES), trackers: z.array(z.array(z.string())), seeding: jsonObject }),
  ),
  releases: z.array(jsonObject),
});

/** Seals a manifest under the master key. `salt`: 24 random bytes used once. */
export function sealManifest(keys: LibraryKeys, manifest: Manifest, salt: Uint8Array): Buffer {
  checkManifest(manifest);
  const json = {
    schema: 'bae manifest 1',
    bundle: manifest.bundleId.toString('hex'),
    generation: manifest.generation,
    previous: manifest.previous?.toString('hex') ?? null,
    bundleKey: manifest.bundleKey.toString('hex'),
    table: { name: manifest.table.name.toString('hex'), generation: manifest.table.generation },
    torrents: manifest.torrents.map(({ infoHash, trackers, seeding }) => {
      return { infoHash: infoHash.toString('hex'), trackers, seeding };
    }),
    releases: manifest.releases,
  };
  const handle = bundleHandle(keys, manifest.bundleId);
  const envelope = manifestEnvelope(keys, keys.master, handle, manifest.generation);
  const header = { suite: DEFAULT_SUITE, salt };
  return sealEnvelope(envelope, header, encodeDocument(json, [], MAX_MANIFEST_BYTES));
}

/**
 * Opens the manifest found under this handle (32 bytes) and generation, also one that an earlier master key sealed;
 * `corrupt` with a sealReason when it is not that one, or not right in itself.
 */
export function openManifest(keys: LibraryKeys, handle: Buffer, generation: number, object: Uint8Array): Manifest {
  const plaintext = withEachMaster(keys, (master) => {
    return openEnvelope(manifestEnvelope(keys, master, handle, generation), object);
  });
  const parts = decodeDocument(plaintext, 'A manifest');
  const json = parseJson(manifestSchema, parts.text, 'A manifest');
  parts.end();
  const { previous, bundleKey, table, torrents, releases } = json;
  const manifest = {
    bundleId: json.bundle,
    generation: json.generation,
    previous,
    bundleKey,
    table,
    torrents,
    releases,
  };
  checkManifest(manifest);
  if (!bundleHandle(keys, manifest.bundleId).equals(handle) || manifest.generation !== generation) {
    throw sealError('altered', 'A manifest is of another bundle or generation than its name says.');
  }
  return manifest;
}

/** What must hold before sealing and after opening. */
function checkManifest({ generation, previous, table }: Manifest): void {
  const first = generation === 1;
  if (first !== (previous === null) || table.generation > generation) {
    throw sealError('altered', `Generation ${generation} of a manifest does not follow from another one.`);
  }
}

function manifestEnvelope(keys: LibraryKeys, master: MasterKey, handle: Buffer, generation: number): EnvelopeKey {
  return { kind: 'manifest', key: master.key, binding: Buffer.concat([keys.libraryId, handle, u64(generation)]) };
}
