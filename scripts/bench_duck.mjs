// bench_duck.mjs FOLDER_WITH_PACKAGE DATABASE|:memory: SQL -- runs SQL statements in DuckDB (its library is inside of the npm package
// @duckdb/node-api) with two threads, and prints the rows of the last one. For scripts/bench_diff.
import { createRequire } from 'module';
const [folder, database, sql] = process.argv.slice(2);
const { DuckDBInstance } = createRequire(folder + '/')('@duckdb/node-api');
const instance = await DuckDBInstance.create(database, { threads: '2' });
const connection = await instance.connect();
await connection.run("set preserve_insertion_order = false");
let rows = [];
for (const statement of sql.split(';').map((s) => s.trim()).filter(Boolean))
    rows = (await connection.runAndReadAll(statement)).getRowsJson();
for (const row of rows) console.log(row.join(' '));
process.exit(0);
