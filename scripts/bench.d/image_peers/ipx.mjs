// Pictures by ipx, on files: ipx.mjs PORT DIRECTORY
import { createServer } from 'node:http';
import { createIPX, createIPXNodeServer, ipxFSStorage } from 'ipx';

const [port, directory] = process.argv.slice(2);
const ipx = createIPX({ storage: ipxFSStorage({ dir: directory }) });
createServer(createIPXNodeServer(ipx)).listen(Number(port), '127.0.0.1');
