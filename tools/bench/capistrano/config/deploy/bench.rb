# frozen_string_literal: true

server ENV.fetch("BENCH_HOST"),
       user: "ansible",
       roles: %w[app web db],
       ssh_options: {
         keys: [ENV.fetch("BENCH_KEY")],
         keys_only: true,
         forward_agent: false,
         user_known_hosts_file: [ENV.fetch("BENCH_KNOWN_HOSTS")],
         verify_host_key: :always
       }
