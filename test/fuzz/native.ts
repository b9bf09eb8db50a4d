/**
 * The native half of `make fuzz FOR=60s`: builds the libFuzzer targets with clang and gives each its share of the time.
 * What a target breaks over is kept in build/fuzz.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { secondsOf } from "../support/seconds-of.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TREE = join(ROOT, "build/native-fuzz");
const KEPT = join(ROOT, "build/fuzz/");
const SEEDS = join(ROOT, "../shared/testdata/fuzz-seeds");

/** By CMake's name: the longest input worth trying, and what to begin with. */
const TARGETS: Readonly<Record<string, { longest: number; seeds?: string }>> = {
  crypto_srtp_fuzz: { longest: 4_096 },
  relay_stun_fuzz: { longest: 11_000, seeds: "pjsip-stun" },
  relay_front_fuzz: { longest: 4_096 },
  relay_rtcp_fuzz: { longest: 2_048, seeds: "janus-rtcp_fuzzer" },
  relay_media_fuzz: { longest: 4_096 },
};

const share = Math.max(1, Math.floor(secondsOf(process.argv[2] ?? "60s") / Object.keys(TARGETS).length));
const compilers = ["-DCMAKE_C_COMPILER=clang", "-DCMAKE_CXX_COMPILER=clang++"];
run("cmake", ["-S", join(ROOT, "native"), "-B", TREE, "-DSALLYPORT_FUZZ=ON", ...compilers, "--log-level=WARNING"]);
run("cmake", ["--build", TREE, "-j2", "--target", ...Object.keys(TARGETS)]);

mkdirSync(KEPT, { recursive: true });
for (const [name, { longest, seeds }] of Object.entries(TARGETS)) {
  const found = join(TREE, `corpus-${name}`);
  mkdirSync(found, { recursive: true });
  const folders = [found, ...(seeds !== undefined && existsSync(join(SEEDS, seeds)) ? [join(SEEDS, seeds)] : [])];
  const folder = name.split("_")[0] === "crypto" ? "crypto/test" : "relay";
  const limits = [
    `-max_total_time=${share}`,
    `-max_len=${longest}`,
    `-artifact_prefix=${KEPT}${name}-`,
    "-verbosity=0",
  ];
  run(join(TREE, folder, name), [...limits, "-print_final_stats=1", ...folders]);
}

function run(program: string, words: readonly string[]): void {
  const { status, error } = spawnSync(program, words, { stdio: ["ignore", "ignore", "inherit"] });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}
