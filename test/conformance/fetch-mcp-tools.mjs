// The input schemas of the tools that MCP servers offer: installs them from npm, starts each over stdio, and asks.
// Run: node test/conformance/fetch-mcp-tools.mjs FOLDER

import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const servers = {
  "@modelcontextprotocol/server-everything": [],
  "@modelcontextprotocol/server-filesystem": [tmpdir()],
  "@modelcontextprotocol/server-github": [],
  "@modelcontextprotocol/server-memory": [],
  "@modelcontextprotocol/server-sequential-thinking": [],
  "@modelcontextprotocol/server-slack": [],
  "@modelcontextprotocol/server-google-maps": [],
  "@notionhq/notion-mcp-server": [],
  "@azure-devops/mcp": ["organization"],
  "@circleci/mcp-server-circleci": [],
  "@brave/brave-search-mcp-server": [],
  "@antv/mcp-server-chart": [],
  "@perplexity-ai/mcp-server": [],
  "@launchdarkly/mcp-server": ["start", "--api-key", "none"],
  "@eslint/mcp": [],
};
/** What some want to see before they start; nothing is asked of the services behind them. */
const keys = [
  "GITHUB_PERSONAL_ACCESS_TOKEN",
  "SLACK_BOT_TOKEN",
  "SLACK_TEAM_ID",
  "GOOGLE_MAPS_API_KEY",
  "NOTION_TOKEN",
];
keys.push("CIRCLECI_TOKEN", "BRAVE_API_KEY", "PERPLEXITY_API_KEY");
const env = { ...process.env, ...Object.fromEntries(keys.map((key) => [key, "none"])) };

const [out] = process.argv.slice(2);
mkdirSync(out, { recursive: true });
const home = process.env.PLAINFORMER_MCP_SERVERS ?? mkdtempSync(join(tmpdir(), "mcp-"));
if (!process.env.PLAINFORMER_MCP_SERVERS) {
  writeFileSync(join(home, "package.json"), "{}");
  const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
  execFileSync("npm", ["install", ...options, ...Object.keys(servers)], { cwd: home, stdio: "inherit" });
}
for (const [name, args] of Object.entries(servers)) {
  const tools = await toolsOf(name, args);
  console.log(`${name}: ${tools ? `${tools.length} tools` : "no answer"}`);
  for (const { name: tool, inputSchema } of tools ?? [])
    writeFileSync(join(out, `${name.replaceAll("/", "+")} ${tool}.json`), JSON.stringify(inputSchema, null, 2));
}
if (!process.env.PLAINFORMER_MCP_SERVERS) rmSync(home, { recursive: true });

/** The tools of a server; undefined if it does not answer within half a minute. */
function toolsOf(name, args) {
  const folder = join(home, "node_modules", name);
  const { bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const program = typeof bin === "string" ? bin : Object.values(bin)[0];
  const child = spawn(process.execPath, [join(folder, program), ...args], { env, stdio: ["pipe", "pipe", "ignore"] });
  const send = (message) => child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  return new Promise((resolve) => {
    const end = (tools) => {
      clearTimeout(patience);
      child.kill();
      resolve(tools);
    };
    const patience = setTimeout(end, 30_000);
    child.on("exit", () => end());
    child.stdin.on("error", () => {});
    let text = "";
    child.stdout.on("data", (chunk) => {
      text += chunk;
      for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n")) {
        const line = text.slice(0, at);
        text = text.slice(at + 1);
        if (!line.startsWith("{")) continue;
        const { id, result } = JSON.parse(line);
        if (id === 1) {
          send({ method: "notifications/initialized" });
          send({ id: 2, method: "tools/list", params: {} });
        } else if (id === 2) end(result?.tools);
      }
    });
    const clientInfo = { name: "plainformer", version: "0" };
    send({ id: 1, method: "initialize", params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo } });
  });
}
