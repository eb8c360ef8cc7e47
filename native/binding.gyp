{
  'target_defaults': {
    # GCC 12 sees an overlap in "text" + std::to_string() that is none (its bug 105651).
    'cflags_cc': ['-std=c++20', '-Wall', '-Wextra', '-Wno-restrict', '-fvisibility=hidden'],
    'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=c++17'],
    'include_dirs': ['<!@(pkg-config --cflags-only-I libcurl libcrypto | sed s/-I//g)'],
  },
  'targets': [
    {
      'target_name': 'core',
      'type': 'static_library',
      'sources': [
        'core/address.cc',
        'core/digest.cc',
        'core/directory.cc',
        'core/engine.cc',
        'core/journal.cc',
        'core/loop.cc',
        'core/multi_socket.cc',
        'core/redirect.cc',
        'core/request.cc',
        'core/response.cc',
        'core/resume.cc',
        'core/scheduler.cc',
        'core/sink.cc',
        'core/sockets.cc',
        'core/transfer.cc',
        'core/url.cc',
        'core/verbose.cc',
      ],
    },
    {
      'target_name': 'mcurl',
      'sources': ['addon/addon.cc', 'addon/easy.cc', 'addon/multi.cc', 'addon/poll_socket.cc'],
      'dependencies': ['core', "<!(node -p \"require('node-addon-api').targets\"):node_addon_api_except_all"],
      'defines': [
        'NAPI_VERSION=9',
        'NODE_ADDON_API_DISABLE_DEPRECATED',
        # A worker that is terminated while an engine closes may run no JavaScript any more.
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      # A look-up thread of libcurl's may outlive the worker that loaded the addon.
      'conditions': [['OS=="linux"', {'ldflags': ['-Wl,-z,nodelete']}]],
      'libraries': ['<!@(pkg-config --libs libcurl libcrypto)'],
    },
  ],
  # What npm packs has no tests.
  'conditions': [
    ['"<!(ls -d ../test/native 2>/dev/null || true)"!=""', {
      'targets': [
        {
          # Runs the engine without Node; linked to the system's libuv. The --wrap flags let a test make
          # libcurl and the system fail where it cannot be made to from outside.
          'target_name': 'core_test',
          'type': 'executable',
          'sources': ['<!@(ls ../test/native/*.cc)'],
          'include_dirs': ['.'],
          'dependencies': ['core'],
          'libraries': ['<!@(pkg-config --libs libcurl libcrypto)', '-luv', '-lpthread'],
          'ldflags': [
            '-Wl,--wrap=curl_multi_socket_action',
            '-Wl,--wrap=curl_multi_add_handle',
            '-Wl,--wrap=curl_version_info',
            '-Wl,--wrap=linkat',
            '-Wl,--wrap=openat',
            '-Wl,--wrap=openat64',
            '-Wl,--wrap=socket',
            '-Wl,--wrap=clock_gettime',
            '-Wl,--wrap=write',
            '-Wl,--wrap=fsync',
            '-Wl,--wrap=fdatasync',
          ],
        },
      ],
    }],
  ],
}
