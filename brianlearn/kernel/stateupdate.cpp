{# Brian2's template of this name, with the loop in a function of its own: see loops.py. #}
{# USES_VARIABLES { N } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}

{% block maincode %}
    // scalar code
    const size_t _vectorisation_idx = -1;
    {{ scalar_code | autoindent }}
    const int _N = {{ constant_or_scalar('N', variables['N']) }};
    {% set arrays = pointers_lines | used_in(vector_code) %}
    const auto _update = [=]({% for a in arrays %}{{ a.type }} {{ a.name }}{{ ', ' if not loop.last }}{% endfor %})
    {
        {{ openmp_pragma('parallel-static') }}
        for(int _idx=0; _idx<_N; _idx++)
        {
            // vector code
            const size_t _vectorisation_idx = _idx;
            {{ vector_code | autoindent }}
        }
    };
    _update({{ arrays | map(attribute='name') | join(', ') }});
{% endblock %}
