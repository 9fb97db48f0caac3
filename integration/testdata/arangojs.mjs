// The transactions of arangojs, by its own client. ARANGO_URLS are the coordinators; each failure ends with status 1.
import assert from "node:assert/strict";
import test from "node:test";
import { Database } from "arangojs";

const urls = process.env.ARANGO_URLS.split(",");
const at = (n) => new Database({ url: urls[n % urls.length], databaseName: "_system" });
const db = at(0);

async function collection(name) {
  const c = db.collection(name);
  await c.create({ numberOfShards: 3 });
  return c;
}

// fails gives the error number and the status with which a promise fails.
async function fails(promise) {
  try {
    await promise;
  } catch (e) {
    return [e.code, e.errorNum];
  }
  assert.fail("it has succeeded");
}

test("an empty transaction is committed, and known at every coordinator", async () => {
  const c = await collection("js-empty");
  const trx = await db.beginTransaction(c);
  assert.deepEqual(await trx.get(), { id: trx.id, status: "running" });
  assert.deepEqual(await at(1).transaction(trx.id).get(), { id: trx.id, status: "running" });
  assert.equal(await at(1).transaction(trx.id).exists(), true);
  assert.deepEqual(await fails(db.transaction("123456").get()), [404, 1655]);
  assert.deepEqual(await trx.commit(), { id: trx.id, status: "committed" });
  assert.deepEqual(await at(1).transaction(trx.id).commit(), { id: trx.id, status: "committed" });
});

test("an empty transaction is aborted", async () => {
  const trx = await db.beginTransaction("js-empty");
  const { id, status } = await trx.abort();
  assert.deepEqual([id, status], [trx.id, "aborted"]);
});

test("documents of a committed transaction are there, and not before", async () => {
  const c = await collection("js-commit");
  const trx = await db.beginTransaction({ write: [c] });
  const one = await trx.step(() => c.save({ _key: "one" }));
  assert.equal(one._key, "one");
  const two = await Promise.all([trx.step(() => c.save({ _key: "two" })), trx.step(() => c.save({ _key: "three" }))]); // two at a time
  assert.deepEqual(two.map((m) => m._key), ["two", "three"]);
  assert.deepEqual(await trx.step(() => c.documentExists("two")), true);
  for (const key of ["one", "two", "three"]) assert.equal(await c.documentExists(key), false);
  assert.equal((await trx.step(() => c.count())).count, 3);
  assert.equal((await trx.commit()).status, "committed");
  for (const key of ["one", "two", "three"]) assert.equal((await c.document(key))._key, key);
  assert.equal((await c.document("one"))._rev, one._rev);
});

test("documents of an aborted transaction are not there", async () => {
  const c = await collection("js-abort");
  const trx = await db.beginTransaction({ write: ["js-abort"], read: [] });
  await trx.step(() => c.saveAll([{ _key: "a" }, { _key: "b" }]));
  assert.equal((await trx.abort()).status, "aborted");
  assert.equal(await c.documentExists("a"), false);
  assert.deepEqual(await fails(trx.step(() => c.save({ _key: "c" }))), [410, 1654]);
  assert.deepEqual(await fails(trx.commit()), [400, 1653]);
});

test("withTransaction commits, or aborts when its function fails", async () => {
  const c = await collection("js-with");
  await db.withTransaction({ write: [c] }, async (step) => {
    await step(() => c.save({ _key: "kept" }));
  });
  assert.equal(await c.documentExists("kept"), true);
  await assert.rejects(
    db.withTransaction({ write: [c] }, async (step) => {
      await step(() => c.save({ _key: "lost" }));
      throw new Error("of the client");
    }),
    /of the client/,
  );
  assert.equal(await c.documentExists("lost"), false);
});

test("exclusive transactions take turns", async () => {
  const c = await collection("js-exclusive");
  await c.save({ _key: "sum", n: 0 });
  await Promise.all(
    Array.from({ length: 8 }, async (_, n) => {
      const mine = at(n).collection("js-exclusive");
      const trx = await mine.database.beginTransaction({ exclusive: mine });
      const doc = await trx.step(() => mine.document("sum"));
      await trx.step(() => mine.update("sum", { n: doc.n + 1 }));
      await trx.commit();
    }),
  );
  assert.equal((await c.document("sum")).n, 8);
});

test("transactions are listed", async () => {
  const trx = await db.beginTransaction("js-empty");
  assert.ok((await at(1).listTransactions()).some((t) => t.id === trx.id && t.state === "running"));
  assert.ok((await db.transactions()).some((t) => t.id === trx.id));
  await trx.abort();
});

test("what is not there is refused", async () => {
  assert.deepEqual(await fails(db.executeTransaction([], "function (params) { return params; }", { params: "test" })), [501, 9]);
  assert.deepEqual(await fails(db.beginTransaction("nowhere")), [404, 1203]);
});
