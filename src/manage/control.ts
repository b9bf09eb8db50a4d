/**
 * The control API: HTTP and JSON on a unix socket that only its owner may open. The box itself is behind
 * `ControlledBox`, so this file knows neither engine nor sockets of the other kind.
 */
import { chmodSync, lstatSync, mkdirSync, unlinkSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { FastifyInstance } from "fastify";

export interface ControlledBox {
  status(): object;
  calls(): readonly object[];
  peers(): readonly object[];
  registrations(): readonly object[];
  /** The last messages on the wires: of one call by our id or a Call-ID, or all. */
  trace(call: string | undefined): readonly object[];
  /** Reads the configuration again. Never rejects: faults are an answer. */
  reload(): Promise<ReloadAnswer>;
  /** `file`: absolute path. */
  diff(file: string): DiffAnswer;
  /** False: there is no such call. */
  endCall(call: string): boolean;
}

export type ReloadAnswer =
  | { readonly ok: true; readonly changes: readonly object[]; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly faults: readonly string[] };

export type DiffAnswer =
  | {
      readonly ok: true;
      readonly changes: readonly object[];
      readonly calls: readonly string[];
      readonly peers: readonly string[];
    }
  | { readonly ok: false; readonly faults: readonly string[] };

/** Limit: a request body over this gets 413. In bytes. */
const MAX_BODY_BYTES = 16 * 1_024;
/** Limit: control connections; more are not accepted. */
const MAX_CONNECTIONS = 32;
/** Limit: a request that takes longer to arrive is cut. */
const REQUEST_LIMIT_MS = 10_000;
const OWNER_ONLY = 0o600;
const DIRECTORY_MODE = 0o750;
/** Mask of the process while the socket is made: there is no moment at which others may open it. */
const OWNER_ONLY_MASK = 0o177;

/** The socket cannot be made: somebody has it, or we may not. */
export class ControlError extends Error {
  constructor(path: string, why: string) {
    super(`cannot make the control socket ${path}: ${why}`);
    this.name = "ControlError";
  }
}

export interface Control {
  close(): Promise<void>;
}

/** Rejects with a ControlError. */
export async function serveControl(path: string, box: ControlledBox): Promise<Control> {
  await makeRoom(path);
  const { fastify } = await import("fastify"); // Only here: commands that serve nothing start sooner without it.
  let server: Server | undefined;
  const app = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    // By default ajv drops members it does not know and bends types: here both are the caller's mistake.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false } },
    serverFactory: (handler) => {
      server = createServer({ requestTimeout: REQUEST_LIMIT_MS, headersTimeout: REQUEST_LIMIT_MS }, handler);
      server.maxConnections = MAX_CONNECTIONS;
      return server;
    },
  });
  addRoutes(app, box);
  await app.ready();
  const made = server;
  if (made === undefined) throw new ControlError(path, "no server");
  await listen(made, path);
  return {
    close: async () => {
      await new Promise((resolve) => {
        made.close(resolve);
        made.closeAllConnections();
      });
      await app.close();
    },
  };
}

const nothing = { type: "object", additionalProperties: false, properties: {} } as const;
const noMembers = { querystring: nothing } as const;

function addRoutes(app: FastifyInstance, box: ControlledBox): void {
  app.get("/status", { schema: noMembers }, () => box.status());
  app.get("/calls", { schema: noMembers }, () => box.calls());
  app.get("/peers", { schema: noMembers }, () => box.peers());
  app.get("/registrations", { schema: noMembers }, () => box.registrations());

  const asked = {
    type: "object",
    additionalProperties: false,
    properties: { call: { type: "string", maxLength: 512 } },
  };
  app.get<{ Querystring: { call?: string } }>("/trace", { schema: { querystring: asked } }, (request) =>
    box.trace(request.query.call),
  );

  app.post("/reload", { schema: { ...noMembers, body: nothing } }, async (_request, reply) => {
    const answer = await box.reload();
    return reply.code(answer.ok ? 200 : 422).send(answer);
  });

  const named = {
    type: "object",
    additionalProperties: false,
    required: ["file"],
    properties: { file: { type: "string", pattern: "^/", maxLength: 4_096 } },
  } as const;
  app.post<{ Body: { file: string } }>("/diff", { schema: { ...noMembers, body: named } }, (request, reply) => {
    const answer = box.diff(request.body.file);
    return reply.code(answer.ok ? 200 : 422).send(answer);
  });

  const call = {
    type: "object",
    additionalProperties: false,
    required: ["id"],
    properties: { id: { type: "string", maxLength: 128 } },
  } as const;
  app.delete<{ Params: { id: string } }>("/calls/:id", { schema: { ...noMembers, params: call } }, (request, reply) => {
    if (!box.endCall(request.params.id)) return reply.code(404).send({ error: "there is no such call" });
    return reply.send({ ended: request.params.id });
  });

  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: "there is no such path" }));
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500;
    return reply.code(status).send({ error: status < 500 ? error.message : "the box failed to answer" });
  });
}

async function listen(server: Server, path: string): Promise<void> {
  const mask = process.umask(OWNER_ONLY_MASK);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ path }, () => {
        server.off("error", reject);
        resolve();
      });
      process.umask(mask); // The socket is made within listen().
    });
    chmodSync(path, OWNER_ONLY);
  } catch (error) {
    throw new ControlError(path, trouble(error));
  } finally {
    process.umask(mask);
  }
}

/** Makes the directory, and takes away the socket of a box that is no more. */
async function makeRoom(path: string): Promise<void> {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: DIRECTORY_MODE });
    const there = lstatSync(path, { throwIfNoEntry: false });
    if (there === undefined) return;
    if (!there.isSocket()) throw new ControlError(path, "something that is not a socket stands there; move it away");
    if (await someoneListens(path)) throw new ControlError(path, "another box is running on it; stop that one first");
    unlinkSync(path);
  } catch (error) {
    throw error instanceof ControlError ? error : new ControlError(path, trouble(error));
  }
}

function someoneListens(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    // Refused: the file is left over. Anything else (no right to open it) may be alive.
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
}

function trouble(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return 'this user may not write there; name another path as "control"';
  return code ?? message;
}
