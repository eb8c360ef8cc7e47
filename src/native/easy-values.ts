/** Values of options and functions of an easy handle that have names in libcurl. */

/** For a write function: nothing was taken, pause the transfer; the same bytes come again after `pause(CURLPAUSE_CONT)`. */
export const CURL_WRITEFUNC_PAUSE = 0x10000001;
/** For a read function: break the transfer off. */
export const CURL_READFUNC_ABORT = 0x10000000;
/** For a read function: pause the transfer until `pause(CURLPAUSE_CONT)`. */
export const CURL_READFUNC_PAUSE = 0x10000001;
/** For a progress function: go on, and libcurl draws its own meter on stderr, too. */
export const CURL_PROGRESSFUNC_CONTINUE = 0x10000001;
/** For `pause`: nothing is paused. */
export const CURLPAUSE_CONT = 0;
/** For `pause`: receiving is paused. */
export const CURLPAUSE_RECV = 1;
/** For `pause`: sending is paused. */
export const CURLPAUSE_SEND = 4;
/** For `pause`: both directions are paused. */
export const CURLPAUSE_ALL = CURLPAUSE_RECV | CURLPAUSE_SEND;
/** A transfer's result when it succeeded; others are libcurl's CURLcode numbers, whose words `strerror` of an Easy has. */
export const CURLE_OK = 0;

/** For `HTTP_VERSION`: libcurl chooses; its default. */
export const CURL_HTTP_VERSION_NONE = 0;
/** For `HTTP_VERSION`: HTTP/1.0. */
export const CURL_HTTP_VERSION_1_0 = 1;
/** For `HTTP_VERSION`: HTTP/1.1. */
export const CURL_HTTP_VERSION_1_1 = 2;
/** For `HTTP_VERSION`: HTTP/2, or HTTP/1.1 where the server has no other. */
export const CURL_HTTP_VERSION_2 = 3;
/** For `HTTP_VERSION`: HTTP/2, under its older name. */
export const CURL_HTTP_VERSION_2_0 = CURL_HTTP_VERSION_2;
/** For `HTTP_VERSION`: HTTP/2 over TLS, else HTTP/1.1. */
export const CURL_HTTP_VERSION_2TLS = 4;
/** For `HTTP_VERSION`: HTTP/2 without asking first, also without TLS. */
export const CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE = 5;
/** For `HTTP_VERSION`: HTTP/3, or an older one where there is none. */
export const CURL_HTTP_VERSION_3 = 30;
/** For `HTTP_VERSION`: HTTP/3 or failure. */
export const CURL_HTTP_VERSION_3ONLY = 31;

/** For `HTTPAUTH`, `PROXYAUTH` and `SOCKS5_AUTH`, to be combined by `|`: none. */
export const CURLAUTH_NONE = 0;
/** For `HTTPAUTH`, `PROXYAUTH` and `SOCKS5_AUTH`: Basic; the default. */
export const CURLAUTH_BASIC = 1 << 0;
/** For `HTTPAUTH`, `PROXYAUTH` and `SOCKS5_AUTH`: Digest. */
export const CURLAUTH_DIGEST = 1 << 1;
/** For `HTTPAUTH`, `PROXYAUTH` and `SOCKS5_AUTH`: Negotiate (SPNEGO). */
export const CURLAUTH_NEGOTIATE = 1 << 2;
/** For `HTTPAUTH`, `PROXYAUTH` and `SOCKS5_AUTH`: GSS-API, for `SOCKS5_AUTH`. */
export const CURLAUTH_GSSAPI = CURLAUTH_NEGOTIATE;
/** For `HTTPAUTH`, `PROXYAUTH` and `SOCKS5_AUTH`: NTLM. */
export const CURLAUTH_NTLM = 1 << 3;
/** For `HTTPAUTH`, `PROXYAUTH` and `SOCKS5_AUTH`: Digest as old Internet Explorers did it. */
export const CURLAUTH_DIGEST_IE = 1 << 4;
/** For `HTTPAUTH`, `PROXYAUTH` and `SOCKS5_AUTH`: Bearer, with `XOAUTH2_BEARER`. */
export const CURLAUTH_BEARER = 1 << 6;
/** For `HTTPAUTH`, `PROXYAUTH` and `SOCKS5_AUTH`: AWS signatures, version 4. */
export const CURLAUTH_AWS_SIGV4 = 1 << 7;
/** For `HTTPAUTH`, `PROXYAUTH` and `SOCKS5_AUTH`: with one other: that one, when the server asks for it, or none. */
export const CURLAUTH_ONLY = 2 ** 31;
/** For `HTTPAUTH`, `PROXYAUTH` and `SOCKS5_AUTH`: the best that the server has. */
export const CURLAUTH_ANY = ~CURLAUTH_DIGEST_IE;
/** For `HTTPAUTH`, `PROXYAUTH` and `SOCKS5_AUTH`: the best that the server has, but not Basic. */
export const CURLAUTH_ANYSAFE = ~(CURLAUTH_BASIC | CURLAUTH_DIGEST_IE);

/** For `PROXYTYPE`: HTTP/1.1; the default. */
export const CURLPROXY_HTTP = 0;
/** For `PROXYTYPE`: HTTP/1.0. */
export const CURLPROXY_HTTP_1_0 = 1;
/** For `PROXYTYPE`: HTTP over TLS. */
export const CURLPROXY_HTTPS = 2;
/** For `PROXYTYPE`: SOCKS4. */
export const CURLPROXY_SOCKS4 = 4;
/** For `PROXYTYPE`: SOCKS5; names are looked up here. */
export const CURLPROXY_SOCKS5 = 5;
/** For `PROXYTYPE`: SOCKS4a; the proxy looks names up. */
export const CURLPROXY_SOCKS4A = 6;
/** For `PROXYTYPE`: SOCKS5; the proxy looks names up. */
export const CURLPROXY_SOCKS5_HOSTNAME = 7;

/** For `SSLVERSION` and `PROXY_SSLVERSION`: libcurl's least. */
export const CURL_SSLVERSION_DEFAULT = 0;
/** For `SSLVERSION` and `PROXY_SSLVERSION`: TLS 1.0 or later. */
export const CURL_SSLVERSION_TLSv1 = 1;
/** For `SSLVERSION` and `PROXY_SSLVERSION`: SSL 2, which libcurl refuses. */
export const CURL_SSLVERSION_SSLv2 = 2;
/** For `SSLVERSION` and `PROXY_SSLVERSION`: SSL 3, which libcurl refuses. */
export const CURL_SSLVERSION_SSLv3 = 3;
/** For `SSLVERSION` and `PROXY_SSLVERSION`: TLS 1.0 or later. */
export const CURL_SSLVERSION_TLSv1_0 = 4;
/** For `SSLVERSION` and `PROXY_SSLVERSION`: TLS 1.1 or later. */
export const CURL_SSLVERSION_TLSv1_1 = 5;
/** For `SSLVERSION` and `PROXY_SSLVERSION`: TLS 1.2 or later. */
export const CURL_SSLVERSION_TLSv1_2 = 6;
/** For `SSLVERSION` and `PROXY_SSLVERSION`: TLS 1.3 or later. */
export const CURL_SSLVERSION_TLSv1_3 = 7;
/** For `SSLVERSION` and `PROXY_SSLVERSION`: no latest. */
export const CURL_SSLVERSION_MAX_NONE = 0;
/** For `SSLVERSION` and `PROXY_SSLVERSION`: libcurl's latest. */
export const CURL_SSLVERSION_MAX_DEFAULT = 1 << 16;
/** For `SSLVERSION` and `PROXY_SSLVERSION`: at most TLS 1.0; to be combined with the least by `|`. */
export const CURL_SSLVERSION_MAX_TLSv1_0 = 4 << 16;
/** For `SSLVERSION` and `PROXY_SSLVERSION`: at most TLS 1.1. */
export const CURL_SSLVERSION_MAX_TLSv1_1 = 5 << 16;
/** For `SSLVERSION` and `PROXY_SSLVERSION`: at most TLS 1.2. */
export const CURL_SSLVERSION_MAX_TLSv1_2 = 6 << 16;
/** For `SSLVERSION` and `PROXY_SSLVERSION`: at most TLS 1.3. */
export const CURL_SSLVERSION_MAX_TLSv1_3 = 7 << 16;

/** For `USE_SSL`: no TLS; the default. */
export const CURLUSESSL_NONE = 0;
/** For `USE_SSL`: TLS where the server has it. */
export const CURLUSESSL_TRY = 1;
/** For `USE_SSL`: TLS on the control connection, or failure. */
export const CURLUSESSL_CONTROL = 2;
/** For `USE_SSL`: TLS for everything, or failure. */
export const CURLUSESSL_ALL = 3;
