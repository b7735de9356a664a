# Prints each string of a JSON document as "path<TAB>value": public_keys.mine<TAB>ssh-ed25519 AAAA...
# Control characters become blanks; of \u escapes only ASCII is kept.
BEGIN { RS = "\001" }
{
  text = $0
  while (match(text, /"([^"\\]|\\.)*"|[][{}:,]/)) {
    token = substr(text, RSTART, RLENGTH)
    text = substr(text, RSTART + RLENGTH)
    if (token == "{") { kind[++depth] = "{"; key = 1 }
    else if (token == "[") { kind[++depth] = "["; name[depth] = 0; key = 0 }
    else if (token == "}" || token == "]") depth--
    else if (token == ":") key = 0
    else if (token == ",") { if (kind[depth] == "[") name[depth]++; else key = 1 }
    else if (key) name[depth] = plain(token)
    else print path() "\t" plain(token)
  }
}
function path(    i, all) {
  for (i = 1; i <= depth; i++) all = all (i > 1 ? "." : "") name[i]
  return all
}
function plain(token,    out, code) {
  token = substr(token, 2, length(token) - 2)
  while (match(token, /\\./)) {
    out = out substr(token, 1, RSTART - 1)
    code = substr(token, RSTART + 1, 1)
    token = substr(token, RSTART + 2)
    if (code == "u") {
      code = 16 * hex(substr(token, 3, 1)) + hex(substr(token, 4, 1))
      out = out (token ~ /^00/ && code >= 32 && code < 127 ? sprintf("%c", code) : " ")
      token = substr(token, 5)
    } else if (code ~ /[bfnrt]/) out = out " "
    else out = out code
  }
  out = out token
  gsub(/[ \t\r\n]+/, " ", out)
  sub(/ $/, "", out)
  return out
}
function hex(digit) { return index("0123456789abcdef", tolower(digit)) - 1 }
