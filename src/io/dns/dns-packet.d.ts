/** What we use of the package `dns-packet`, which brings no types. Decoders tell in `bytes` how much they have read. */
declare module "dns-packet" {
  interface Decoder<Value> {
    /** Throws at what does not fit into the buffer. */
    (bytes: Buffer, offset: number): Value;
    /** Of the last call. */
    readonly bytes: number;
  }

  interface Packet {
    readonly type: "query" | "response";
    readonly id: number;
    readonly flags?: number;
    readonly questions: readonly { readonly type: string; readonly name: string }[];
    readonly answers?: readonly object[];
    readonly authorities?: readonly object[];
    readonly additionals?: readonly object[];
  }

  export const RECURSION_DESIRED: number;
  export const name: { readonly decode: Decoder<string> };
  export const a: { readonly decode: Decoder<string> };
  export const aaaa: { readonly decode: Decoder<string> };
  export const cname: { readonly decode: Decoder<string> };
  export const soa: { readonly decode: Decoder<{ readonly minimum: number }> };
  export const srv: {
    readonly decode: Decoder<{
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    }>;
  };
  export const naptr: {
    readonly decode: Decoder<{
      readonly order: number;
      readonly preference: number;
      readonly flags: string;
      readonly services: string;
      readonly regexp: string;
      readonly replacement: string;
    }>;
  };
  export function encode(packet: Packet): Buffer;
}
