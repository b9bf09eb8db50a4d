/**
 * A message of `../shared/testdata/call-flows` by its number: `rfc3665/015`. Whom it is for and which call it belongs
 * to is decided by the party that sends it; here only what the RFC left open or what names another transport is set.
 */
import { readdirSync, readFileSync } from "node:fs";
import { CALL_FLOWS } from "./folder.ts";
import { type MessageText, readMessage } from "./message-text.ts";

const listings = new Map<string, readonly string[]>();

export function rfcMessage(name: string): MessageText {
  const [folder = "", number = ""] = name.split("/");
  let files = listings.get(folder);
  if (files === undefined) {
    files = readdirSync(`${CALL_FLOWS}/${folder}`);
    listings.set(folder, files);
  }
  const file = files.find((one) => one.startsWith(`${number}-`));
  if (file === undefined) throw new Error(`no message ${name}`);
  const message = readMessage(readFileSync(`${CALL_FLOWS}/${folder}/${file}`, "latin1").replaceAll("sips:", "sip:"));
  const headers = message.headers.filter(([header]) => !/^(via|route|record-route|content-length)$/i.test(header));
  return { ...message, headers, body: message.body?.replace(/^s=\r$/m, "s=-\r") };
}
