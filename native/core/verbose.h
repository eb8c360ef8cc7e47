// `-v`: a transfer's conversation on stderr, one write a line, escaped, secrets left out.
#pragma once

#include <curl/curl.h>

namespace mcurl {

// A CURLOPT_DEBUGFUNCTION; its data is not used. From any loop.
int onDebug(CURL* easy, curl_infotype type, char* data, size_t size, void*) noexcept;

}  // namespace mcurl
