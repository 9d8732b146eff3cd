using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Hearth.Host.Tests.House;

/// <summary>Writes down what an assembly offers to others: a line each for types and members, in an order of their own.</summary>
internal static class PublicSurface
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    // What the compiler writes for every record; it follows from the record's own line.
    private static readonly string[] s_ofRecords = ["Equals", "GetHashCode", "ToString", "PrintMembers", "<Clone>$", "op_Equality", "op_Inequality", "get_EqualityContract", "EqualityContract"];

    public static IReadOnlyList<string> Lines(Assembly assembly)
        => [.. assembly.GetExportedTypes().OrderBy(type => type.FullName, StringComparer.Ordinal).SelectMany(LinesOf)];

    private static IEnumerable<string> LinesOf(Type type)
    {
        var isRecord = type.GetMethod("<Clone>$") is not null || (type.IsValueType && type.GetMethod("PrintMembers", Declared) is not null);
        yield return $"{KindOf(type, isRecord)} {Name(type)}{Bases(type)}";
        if (type.IsEnum)
        {
            foreach (var value in Enum.GetValuesAsUnderlyingType(type))
                yield return $"  {Enum.GetName(type, value)} = {value}";
            yield break;
        }

        if (type.BaseType == typeof(MulticastDelegate))
        {
            yield return $"  {Signature(type.GetMethod("Invoke")!)}";
            yield break;
        }

        var members = type.GetMembers(Declared).Where(member => IsOffered(member) && !(isRecord && s_ofRecords.Contains(member.Name))).Select(Line);
        foreach (var line in members.Order(StringComparer.Ordinal))
            yield return "  " + line;
    }

    private static string KindOf(Type type, bool isRecord)
    {
        var kind = type.IsEnum ? "enum" : type.IsInterface ? "interface" : type.BaseType == typeof(MulticastDelegate) ? "delegate"
            : type.IsValueType ? (isRecord ? "record struct" : "struct") : isRecord ? "record" : "class";
        var modifier = kind is not ("class" or "record") ? "" : type.IsAbstract && type.IsSealed ? "static " : type.IsAbstract ? "abstract " : type.IsSealed ? "" : "open ";
        return modifier + kind;
    }

    private static string Bases(Type type)
    {
        if (type.IsEnum || type.BaseType == typeof(MulticastDelegate))
            return "";
        var inherited = type.BaseType?.GetInterfaces() ?? [];
        var bases = type.GetInterfaces().Except(inherited).Where(i => i.IsPublic && !i.Name.StartsWith("IEquatable", StringComparison.Ordinal)).Select(Name).Order(StringComparer.Ordinal);
        var all = (type.BaseType is { } parent && parent != typeof(object) && parent != typeof(ValueType) ? [Name(parent)] : Array.Empty<string>()).Concat(bases).ToArray();
        return all.Length == 0 ? "" : $" : {string.Join(", ", all)}";
    }

    private static bool IsOffered(MemberInfo member) => member switch
    {
        MethodInfo method => Opens(method) && (!method.IsSpecialName || method.Name.StartsWith("op_", StringComparison.Ordinal)) && method.GetBaseDefinition().DeclaringType != typeof(object),
        ConstructorInfo constructor => Opens(constructor) && !constructor.IsStatic,
        PropertyInfo property => property.GetAccessors(nonPublic: true).Any(Opens),
        FieldInfo field => field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly,
        EventInfo changed => Opens(changed.AddMethod!),
        _ => false,
    };

    private static bool Opens(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static string Line(MemberInfo member) => member switch
    {
        MethodInfo method => Signature(method),
        ConstructorInfo constructor => $"{Access(constructor)}new({Parameters(constructor)})",
        PropertyInfo property => PropertyLine(property),
        FieldInfo { IsLiteral: true } constant => $"const {constant.Name}: {Name(constant.FieldType)} = {Convert.ToString(constant.GetRawConstantValue(), CultureInfo.InvariantCulture)}",
        FieldInfo field => $"{(field.IsStatic ? "static " : "")}{field.Name}: {Name(field.FieldType)}",
        _ => $"{member.MemberType} {member.Name}",
    };

    private static string PropertyLine(PropertyInfo property)
    {
        var setter = property.SetMethod is { } set && Opens(set)
            ? set.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) ? " init;" : " set;" : "";
        var required = property.IsDefined(typeof(RequiredMemberAttribute)) ? "required " : "";
        var isStatic = property.GetAccessors(nonPublic: true)[0].IsStatic ? "static " : "";
        var index = property.GetIndexParameters() is { Length: > 0 } parameters ? $"[{string.Join(", ", parameters.Select(p => Name(p.ParameterType)))}]" : "";
        return $"{isStatic}{required}{property.Name}{index}: {Name(property.PropertyType)} {{{(property.GetMethod is { } get && Opens(get) ? " get;" : "")}{setter} }}";
    }

    private static string Signature(MethodInfo method)
    {
        var generic = method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(argument => argument.Name))}>" : "";
        return $"{Access(method)}{(method.IsStatic ? "static " : "")}{method.Name}{generic}({Parameters(method)}): {Name(method.ReturnType)}";
    }

    private static string Access(MethodBase method) => method.IsPublic ? "" : "protected ";

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(parameter =>
    {
        var direction = parameter.IsOut ? "out " : parameter.ParameterType.IsByRef ? "ref " : parameter.IsDefined(typeof(ParamArrayAttribute)) ? "params " : "";
        var optional = !parameter.HasDefaultValue ? "" : $" = {Convert.ToString(parameter.RawDefaultValue, CultureInfo.InvariantCulture) ?? "default"}";
        return $"{direction}{Name(parameter.ParameterType)} {parameter.Name}{optional}";
    }));

    private static string Name(Type type)
    {
        if (type.IsByRef)
            return Name(type.GetElementType()!);
        if (type.IsArray)
            return Name(type.GetElementType()!) + "[]";
        if (Nullable.GetUnderlyingType(type) is { } value)
            return Name(value) + "?";
        if (type.IsGenericParameter)
            return type.Name;
        var name = type.Assembly.GetName().Name!.StartsWith("Hearth", StringComparison.Ordinal) ? type.FullName ?? type.Name : type.Name;
        if (type.IsGenericType)
        {
            name = type.GetGenericTypeDefinition() is { } definition && definition.FullName!.StartsWith("Hearth", StringComparison.Ordinal) ? definition.FullName : type.Name;
            name = $"{name.Split('`')[0]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>";
        }

        return name.Replace('+', '.');
    }
}
