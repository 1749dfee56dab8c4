// The database side of the Node backend, with the real mongoose: models after
// the contract. Prints one JSON object.
// usage: node mongoose.mjs <uri> save <json of [{source, data}, …]>
//        node mongoose.mjs <uri> keep <json of [{source, data, createdAt}, …]>
//        node mongoose.mjs <uri> read
import { createHash } from "node:crypto";
import mongoose from "mongoose";

const [uri, command, argument] = process.argv.slice(2);
const fields = {
  api: { type: String, required: true, index: true },
  source: { type: String, required: true, index: true },
  data: { type: mongoose.Schema.Types.Mixed, required: true },
  hash: String,
};
const latestSchema = new mongoose.Schema(fields, { timestamps: true, collection: "metrics_latest" });
latestSchema.index({ api: 1, source: 1 }, { unique: true });
const historySchema = new mongoose.Schema(fields, { timestamps: true, collection: "metrics_history" });
historySchema.index({ api: 1, source: 1, createdAt: -1 });
historySchema.index({ createdAt: 1 }, { expireAfterSeconds: 604800 });
const Latest = mongoose.model("MetricLatest", latestSchema);
const History = mongoose.model("MetricHistory", historySchema);

await mongoose.connect(uri);
await Promise.all([Latest.init(), History.init()]);
const api = "acme";
if (command === "save") {
  for (const { source, data } of JSON.parse(argument)) {
    const hash = createHash("sha1").update(JSON.stringify(data)).digest("hex");
    await Latest.findOneAndUpdate({ api, source }, { $set: { data, hash } }, { upsert: true, new: true, setDefaultsOnInsert: true });
    await History.create({ api, source, data, hash });
  }
}
if (command === "keep") {
  // Rows as the backend has stored them in the course of time.
  const rows = JSON.parse(argument).map(({ source, data, createdAt }) => ({
    api, source, data, createdAt, updatedAt: createdAt,
    hash: createHash("sha1").update(JSON.stringify(data)).digest("hex"),
  }));
  await History.insertMany(rows);
  for (const { source, data, hash, createdAt } of rows) {
    await Latest.findOneAndUpdate({ api, source }, { $set: { data, hash, updatedAt: createdAt }, $setOnInsert: { createdAt } }, { upsert: true, timestamps: false });
  }
}
const text = (d) => ({
  source: d.source, text: JSON.stringify(d.data), hash: d.hash,
  createdAt: d.createdAt, updatedAt: d.updatedAt, version: d.__v,
});
const latest = await Latest.find({ api }).lean();
const history = await History.find({ api }).sort({ createdAt: -1 }).lean();
console.log(JSON.stringify({ latest: latest.map(text), history: history.map(text) }));
await mongoose.disconnect();
