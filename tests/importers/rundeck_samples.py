"""Rundeck jobs written by us in the shape of public ones: every construct once, and ten jobs that are run."""

from __future__ import annotations

from dataclasses import dataclass, field

EVERYTHING = r"""
- name: Restart web
  group: ops/web
  uuid: 11111111-2222-3333-4444-555555555555
  id: 11111111-2222-3333-4444-555555555555
  description: |-
    Restarts the web tier.

    * carefully
  loglevel: INFO
  loglimit: 250MB
  loglimitAction: truncate
  defaultTab: output
  executionEnabled: false
  scheduleEnabled: true
  nodeFilterEditable: false
  nodesSelectedByDefault: true
  multipleExecutions: false
  timeout: 1h 30m
  retry: {retry: '2', delay: 10s}
  tags: 'web,nightly'
  orchestrator: {type: subset, configuration: {count: '1'}}
  runnerSelector: {runnerFilterMode: TAGS, runnerFilterType: TAG, filter: far}
  plugins: {ExecutionLifecycle: {killhandler: {killChilds: 'true'}}}
  schedule: {time: {hour: '04', minute: '30', seconds: '0'}, month: '*', weekday: {day: '*'}, year: '*'}
  notification:
    onfailure:
      email: {recipients: ops@example.com, subject: It broke}
    onsuccess:
      urls: https://hooks.example.com/done
      plugin: {type: HttpNotification, configuration: {remoteUrl: https://hooks.example.com}}
  notifyAvgDurationThreshold: null
  nodefilters:
    filter: 'tags: web+linux name: ${option.node} !osFamily: windows'
    dispatch: {threadcount: '2', keepgoing: true, rankOrder: descending, rankAttribute: rack, excludePrecedence: true}
  options:
  - {name: node, label: Node, description: Which node, required: true, value: web1}
  - {name: level, enforced: true, values: [low, high], value: low, valuesListDelimiter: ','}
  - {name: ports, multivalued: true, delimiter: ':', value: '80:443', values: ['80', '443', '8080'], enforced: true}
  - {name: ticket, regex: 'CHG-[0-9]+', hidden: true}
  - {name: when, isDate: true, dateFormat: YYYY-MM-DD}
  - {name: build, valuesUrl: 'https://ci.example.com/builds.json'}
  - {name: password, secure: true, valueExposed: true, storagePath: keys/web/password, required: true}
  - {name: login, secure: true, valueExposed: false, storagePath: keys/web/login}
  - {name: notes, type: file}
  sequence:
    keepgoing: false
    strategy: node-first
    pluginConfig: {WorkflowStrategy: {node-first: null}}
    commands:
    - description: Say it
      exec: echo "on ${node.name} level ${option.level} ports ${option.ports} by ${job.username}"
    - script: |-
        #!/bin/bash
        echo "$1 is @option.level@"
        echo "secret of ${#RD_OPTION_PASSWORD} signs, @option.password@"
      args: ${option.node}
      scriptInterpreter: /bin/bash
      fileExtension: .sh
      interpreterArgsQuoted: false
      errorhandler: {exec: echo it failed, keepgoingOnSuccess: true}
    - exec: env
      plugins:
        LogFilter:
        - {type: key-value-data, config: {regex: '^(PWD|HOME)\s*=\s*(.+)$', logData: 'true'}}
        - {type: highlight-output, config: {regex: PWD}}
    - exec: echo "was in ${data.PWD}"
    - {type: localexec, nodeStep: true, configuration: {command: 'curl -sf http://ci.example.com/'}}
    - {type: com.example.unheard-of, nodeStep: false, configuration: {a: b}}
    - {scripturl: 'https://example.com/x.sh', args: '-v'}
    - jobref: {name: Tell them, group: ops/web, args: '-who ${option.node} -why "a b"'}
    - exec: curl -s https://example.com/install.sh | sh
    - type: edu.ohio.ais.rundeck.HttpWorkflowStepPlugin
      nodeStep: false
      configuration:
        {remoteUrl: 'https://api.example.com/x/${option.level}', method: POST, body: '{}', authentication: None}
    - type: copyfile
      nodeStep: true
      configuration: {sourcePath: /srv/a.txt, destinationPath: /tmp/, recursive: 'false'}
- name: Tell them
  group: ops/web
  description: ''
  loglevel: INFO
  multipleExecutions: true
  options:
  - {name: who, required: true}
  - {name: why}
  sequence:
    commands:
    - exec: echo ${option.who} ${option.why}
"""

XML = r"""<joblist>
  <job>
    <context>
      <project>demo</project>
      <options preserveOrder='true'>
        <option name='greeting' value='hello' required='true'><label>Greeting</label></option>
        <option enforcedvalues='true' name='level' value='low' values='low,high' valuesListDelimiter=','>
          <description>How loud</description>
        </option>
        <option name='key' secure='true' valueExposed='true' storagePath='keys/a'/>
      </options>
    </context>
    <description><![CDATA[Says hello.

More about it.]]></description>
    <dispatch><threadcount>3</threadcount><keepgoing>false</keepgoing><rankOrder>ascending</rankOrder></dispatch>
    <group>demo/say</group>
    <logging limit='1KB' limitAction='halt'/>
    <loglevel>INFO</loglevel>
    <name>Say hello</name>
    <nodefilters><filter>tags: web</filter></nodefilters>
    <notification><onfailure><email recipients='ops@example.com' subject='Oh'/></onfailure></notification>
    <retry delay='5s'>3</retry>
    <schedule crontab='0 0 4 ? * * *'/>
    <timeout>2m</timeout>
    <sequence keepgoing='false' strategy='step-first'>
      <command>
        <description>First</description>
        <exec>echo ${option.greeting}</exec>
        <errorhandler keepgoingOnSuccess='true'><exec>echo sorry</exec></errorhandler>
      </command>
      <command>
        <script><![CDATA[#!/bin/sh
echo "@option.level@ $1"
]]></script>
        <scriptargs>${option.greeting}</scriptargs>
        <scriptinterpreter argsquoted='false'>/bin/sh</scriptinterpreter>
        <fileExtension>.sh</fileExtension>
        <plugins><LogFilter type='key-value-data'><config><regex>^(A)=(.+)$</regex></config></LogFilter></plugins>
      </command>
      <command>
        <node-step-plugin type='localexec'>
          <configuration><entry key='command' value='echo local'/></configuration>
        </node-step-plugin>
      </command>
      <command>
        <step-plugin type='unheard-of'><configuration><entry key='a' value='b'/></configuration></step-plugin>
      </command>
      <command><jobref group='demo' name='Other'><arg line='-x ${option.level}'/></jobref></command>
    </sequence>
  </job>
</joblist>
"""

SAME_IN_YAML = r"""
- name: Say hello
  group: demo/say
  project: demo
  description: |-
    Says hello.

    More about it.
  loglimit: 1KB
  loglimitAction: halt
  loglevel: INFO
  nodefilters:
    dispatch: {threadcount: 3, keepgoing: false, rankOrder: ascending}
    filter: 'tags: web'
  notification: {onfailure: {email: {recipients: ops@example.com, subject: Oh}}}
  retry: {retry: 3, delay: 5s}
  schedule: {crontab: '0 0 4 ? * * *'}
  timeout: 2m
  options:
  - {name: greeting, value: hello, required: true, label: Greeting}
  - {name: level, enforced: true, value: low, values: [low, high], valuesListDelimiter: ',', description: How loud}
  - {name: key, secure: true, valueExposed: true, storagePath: keys/a}
  sequence:
    keepgoing: false
    strategy: step-first
    commands:
    - description: First
      exec: echo ${option.greeting}
      errorhandler: {exec: echo sorry, keepgoingOnSuccess: true}
    - script: |
        #!/bin/sh
        echo "@option.level@ $1"
      args: ${option.greeting}
      scriptInterpreter: /bin/sh
      interpreterArgsQuoted: false
      fileExtension: .sh
      plugins: {LogFilter: [{type: key-value-data, config: {regex: '^(A)=(.+)$'}}]}
    - {type: localexec, nodeStep: true, configuration: {command: echo local}}
    - {type: unheard-of, nodeStep: false, configuration: {a: b}}
    - jobref: {group: demo, name: Other, args: '-x ${option.level}'}
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """A job of one step that is run twice: as Rundeck would have, and as it was imported."""

    name: str
    text: str
    values: dict[str, str] = field(default_factory=dict)
    command: bool = False
    interpreter: str = ""
    args: str = ""
    handler: str = ""


TEN = [
    Ran("a plain command", "echo hello; exit 3", command=True),
    Ran("an option in a command", 'echo "got ${option.x}" and ${option.x}', {"x": "one"}, command=True),
    Ran("blanks in an option", "printf '<%s>' ${option.x} end", {"x": "two words"}, command=True),
    Ran(
        "every kind of quotes in a script",
        r"""#!/bin/bash
x=@option.x@
echo $x "in @option.x@ quotes" 'single @option.x@' `echo @option.x@` $(echo "@option.x@")
echo $((@option.n@ + 1)) ${unset:-@option.x@} # @option.x@
""",
        {"x": "value", "n": "41"},
    ),
    Ran(
        "here-documents of both kinds",
        r"""#!/bin/sh
cat <<A
1 @option.x@ $HOME_OF
A
cat <<'B'
2 @option.x@ $(no) `no` \ $HOME_OF
B
cat <<-C
	3 @option.x@
	C
""",
        {"x": "v"},
    ),
    Ran("words that count one by one", '#!/bin/sh\nfor i in @option.x@; do echo "- $i"; done', {"x": "a b c"}),
    Ran("arguments", '#!/bin/bash\necho "$#: $1 | $2"', {"x": "p q"}, args="-f ${option.x}"),
    Ran(
        "a Python script",
        'title = "@option.x@"\nn = @option.n@\nprint(f"{title} {n + 1}", \'[@option.x@]\')  # @option.x@\n',
        {"x": "engineer", "n": "7"},
        interpreter="python3",
    ),
    Ran("an error handler", "#!/bin/sh\necho before; exit 4", handler="echo handled @option@"),
    Ran(
        "a loop with a case and a function",
        '#!/bin/bash\nsay() { local w=$1; case $w in @option.x@) echo "is $w";; *) echo "no $w";; esac; }\n'
        'for w in {a..c} @option.x@; do say "$w"; done\n[[ -n @option.x@ && @option.x@ == b ]] && echo yes',
        {"x": "b"},
    ),
]
