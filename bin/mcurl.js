#!/bin/sh
':'; // 2>/dev/null; while read -r k v; do [ "$k" = SigIgn: ] && export MCURL_SIGIGN="$v" && break; done 2>/dev/null </proc/self/status; exec node "$0" "$@"
// To a shell this file is the line above, to Node all the rest. Node forgets at its start which signals were ignored
// (nohup), so the shell, which costs no more than env(1) would, looks that up before.
import module from 'node:module';

// Node 22.8 and newer keep compiled code between runs.
module.enableCompileCache?.();
await import('../dist/main.js');
