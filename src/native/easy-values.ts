/** Values of options and functions of an easy handle that have names in libcurl. */

/** For a write function: nothing was taken, pause the transfer; the same bytes come again after `pause(CURLPAUSE_CONT)`. */
export const CURL_WRITEFUNC_PAUSE = 0x10000001;
/** For a read function: break the transfer off. */
export const CURL_READFUNC_ABORT = 0x10000000;
/** For a read function: pause the transfer until `pause(CURLPAUSE_CONT)`. */
export const CURL_READFUNC_PAUSE = 0x10000001;
/** For `pause`: nothing is paused. */
export const CURLPAUSE_CONT = 0;
/** For `pause`: receiving is paused. */
export const CURLPAUSE_RECV = 1;
/** For `pause`: sending is paused. */
export const CURLPAUSE_SEND = 4;
/** For `pause`: both directions are paused. */
export const CURLPAUSE_ALL = CURLPAUSE_RECV | CURLPAUSE_SEND;
/** A transfer's result when it succeeded; others are libcurl's CURLcode numbers, see `Easy.strerror`. */
export const CURLE_OK = 0;
