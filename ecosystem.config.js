// PM2: fork mode, because cluster mode is for Node programs only. The binary
// reports that it is ready over PM2's channel, drains within kill_timeout, and
// exits with 78 on a bad setting, which a restart would not mend.
module.exports = {
  apps: [
    {
      name: "devops-insights",
      script: "./bin/devops-insights",
      interpreter: "none",
      exec_mode: "fork",
      wait_ready: true,
      listen_timeout: 15000,
      kill_timeout: 15000,
      stop_exit_codes: [78],
      exp_backoff_restart_delay: 200,
    },
  ],
};
