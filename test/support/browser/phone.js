/**
 * A page that is a phone: JsSIP on the browser's own media. It writes down what happens to it, plays what the fake
 * microphone gives, and measures what it hears. Called from outside by `phone.*`.
 */
import JsSIP from "jssip";

const events = [];
let agent;
let session;
let analyser;

const tell = (event, detail = "") => events.push(`${event} ${detail}`.trim());

function listen(connection) {
  connection.addEventListener("track", ({ streams, track }) => {
    if (track.kind === "video") return watch(track);
    const stream = streams[0] ?? new MediaStream([track]);
    const player = document.createElement("audio"); // Without one nothing is decoded.
    player.autoplay = true;
    player.srcObject = stream;
    document.body.append(player);
    const context = new AudioContext();
    analyser = context.createAnalyser();
    analyser.fftSize = 8192;
    analyser.smoothingTimeConstant = 0;
    context.createMediaStreamSource(stream).connect(analyser);
  });
}

function watch(track) {
  const screen = document.createElement("video");
  screen.autoplay = true;
  screen.muted = true;
  screen.srcObject = new MediaStream([track]);
  document.body.append(screen);
}

function take(one) {
  session = one;
  if (one.connection) listen(one.connection);
  else one.on("peerconnection", ({ peerconnection }) => listen(peerconnection));
  for (const event of ["progress", "accepted", "confirmed", "ended", "failed", "hold", "unhold"])
    one.on(event, (data) => tell(event, data?.cause ?? ""));
  one.on("sdp", ({ originator, type, sdp }) => sdps.push({ originator, type, sdp }));
}

const sdps = [];
// A tone that does not change is noise to a browser that listens for speech.
const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
const media = { mediaConstraints: { audio, video: false }, pcConfig: { iceServers: [] } };
/** Small, since two browsers share a machine with everything else. */
const picture = { width: 160, height: 120, frameRate: 10 };

globalThis.phone = {
  events,
  sdps,

  /** `password`: registers with it; absent: it does not. `video`: it sends pictures, too. */
  start({ socket, uri, password, video }) {
    if (video) media.mediaConstraints.video = picture;
    const register = password !== undefined;
    agent = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(socket)],
      uri,
      password,
      register,
      session_timers: false,
    });
    agent.on("newRTCSession", ({ originator, session: one }) => {
      take(one);
      if (originator === "remote") one.answer(media);
    });
    for (const event of ["connected", "disconnected", "registered", "registrationFailed"])
      agent.on(event, (data) => tell(event, data?.cause ?? ""));
    agent.start();
  },

  dial(target) {
    agent.call(target, media);
  },

  /** Each is through once its re-INVITE is answered. */
  hold: () => new Promise((done) => session.hold({}, done)),
  resume: () => new Promise((done) => session.unhold({}, done)),
  /** Another set of credentials. */
  restart: () => new Promise((done) => session.renegotiate({ rtcOfferConstraints: { iceRestart: true } }, done)),
  hangUp: () => session.terminate(),
  stop: () => agent.stop(),

  /** Every fingerprint that it was ever told, in order. */
  fingerprints: () =>
    sdps.filter(({ originator }) => originator === "remote").flatMap(({ sdp }) => sdp.match(/a=fingerprint:.*/g) ?? []),

  /** For so long, how much of what it hears is this tone: 0 to 1, and how many looks found any sound at all. */
  async heard(hertz, seconds) {
    const bins = new Float32Array(analyser.frequencyBinCount);
    const width = analyser.context.sampleRate / analyser.fftSize;
    let inTone = 0;
    let all = 0;
    let looks = 0;
    for (let i = 0; i < seconds * 10; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      analyser.getFloatFrequencyData(bins);
      let sum = 0;
      let near = 0;
      for (let bin = 1; bin < bins.length; bin++) {
        const power = 10 ** (bins[bin] / 10);
        sum += power;
        if (Math.abs(bin * width - hertz) < 25) near += power;
      }
      if (sum < 1e-7) continue;
      looks++;
      inTone += near;
      all += sum;
    }
    return { share: all === 0 ? 0 : inTone / all, looks };
  },

  /** Waits until it has seen so many pictures, 30 s at most. How many they are, and by how many transports its media goes. */
  async pictures(least) {
    for (let looks = 0; ; looks++) {
      const all = [...(await session.connection.getStats()).values()];
      let seen = 0;
      for (const one of all) if (one.type === "inbound-rtp" && one.kind === "video") seen += one.framesDecoded ?? 0;
      const transports = all.filter((one) => one.type === "transport").length;
      if (seen >= least || looks === 300) return { seen, transports };
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  },

  async stats() {
    const found = {};
    for (const one of (await session.connection.getStats()).values()) {
      if (one.type === "transport")
        Object.assign(found, { dtls: one.dtlsState, cipher: one.srtpCipher, ice: one.iceState, role: one.dtlsRole });
      if (one.type === "inbound-rtp") Object.assign(found, { received: one.packetsReceived, lost: one.packetsLost });
      if (one.type === "outbound-rtp") Object.assign(found, { sent: one.packetsSent });
    }
    return found;
  },
};
